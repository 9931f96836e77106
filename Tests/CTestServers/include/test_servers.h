// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <spawn.h>

/// Closes every descriptor from `first` on in the child.
///
/// Of the GNU C library from 2.34 on, but not in the module that Swift sees. Gives 0 or an error number.
int test_servers_close_from(posix_spawn_file_actions_t *actions, int first);
