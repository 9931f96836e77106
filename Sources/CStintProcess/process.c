// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CStintProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#if defined(__linux__)

int stint_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
}

#else

int stint_pipe(int ends[2]) {
    if (pipe(ends) != 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

#endif

#if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 34))

void stint_close_from(void *actions, int lowest) {
    posix_spawn_file_actions_addclosefrom_np(actions, lowest);
}

#else

void stint_close_from(void *actions, int lowest) {
    (void)actions;
    (void)lowest;
}

#endif
