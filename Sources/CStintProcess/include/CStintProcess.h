// SPDX-License-Identifier: Apache-2.0

// What Swift's view of the C library leaves out and starting programs needs.

#ifndef CSTINTPROCESS_H
#define CSTINTPROCESS_H

// A pipe whose ends no child inherits, not even one that another thread starts at this moment. 0, or an errno value.
int stint_pipe(int ends[2]);

// Starts `program`, an absolute path, with `standard` as its three standard files and no other open, as the leader of a
// process group of its own, with no signal blocked or ignored. 0, or an errno value; `pid` is then not set.
//
// On Linux the system kills the program when the thread that calls this ends: when this process dies, however it dies, and
// so the thread must outlive the program. What the program has started in turn is not killed with it.
//
// All signals must be blocked in the calling thread.
int stint_spawn(
    int *pid,
    const char *program,
    char *const *arguments,
    char *const *environment,
    const int *standard
);

#endif
