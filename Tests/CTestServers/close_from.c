// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "test_servers.h"

int test_servers_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
