// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CStintProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__)

#include <sys/prctl.h>
#include <sys/syscall.h>

int stint_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
}

// Makes the three files the standard ones. 0, or an errno value.
static int set_standard_files(const int *standard) {
    int files[3];
    for (int number = 0; number < 3; number++) {
        // One of them may stand where another is to go.
        files[number] = standard[number] < 3 ? fcntl(standard[number], F_DUPFD, 3) : standard[number];
        if (files[number] < 0) return errno;
    }
    for (int number = 0; number < 3; number++) {
        if (dup2(files[number], number) < 0) return errno;
    }
    return 0;
}

static void reset_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    // Those that cannot be set are refused, which is as good.
    for (int number = 1; number < NSIG; number++) sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// What the child does before it is the program. Returns only when that fails, with an errno value.
//
// It still runs in its parent's memory: nothing here but system calls and its own stack.
static int become(
    pid_t parent,
    const char *program,
    char *const *arguments,
    char *const *environment,
    const int *standard
) {
    if (setpgid(0, 0) != 0) return errno;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    // A parent that died before this line will send no signal any more.
    if (getppid() != parent) _exit(127);
    int code = set_standard_files(standard);
    if (code != 0) return code;
#if defined(SYS_close_range)
    // Whatever another library has left open without the close-on-exec mark is no business of the child. Kernels before
    // 5.9 refuse; then the mark must do.
    syscall(SYS_close_range, 3U, ~0U, 0U);
#endif
    reset_signals();
    execve(program, arguments, environment);
    return errno;
}

int stint_spawn(
    int *pid,
    const char *program,
    char *const *arguments,
    char *const *environment,
    const int *standard
) {
    // Written by the child, in memory that both share until it is the program or ends.
    volatile int code = 0;
    pid_t parent = getpid();
    // Not posix_spawn, which has no way to ask for a signal at the parent's death. Not fork, which would copy the page
    // tables of what may be a large process.
    pid_t child = vfork();
    if (child < 0) return errno;
    if (child == 0) {
        code = become(parent, program, arguments, environment, standard);
        _exit(127);
    }
    if (code != 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return code;
    }
    *pid = child;
    return 0;
}

#else

int stint_pipe(int ends[2]) {
    if (pipe(ends) != 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

int stint_spawn(
    int *pid,
    const char *program,
    char *const *arguments,
    char *const *environment,
    const int *standard
) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int number = 0; number < 3; number++) posix_spawn_file_actions_adddup2(&actions, standard[number], number);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
#if defined(POSIX_SPAWN_CLOEXEC_DEFAULT)
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#endif
    posix_spawnattr_setflags(&attributes, flags);
    pid_t child = 0;
    int code = posix_spawn(&child, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (code == 0) *pid = child;
    return code;
}

#endif
