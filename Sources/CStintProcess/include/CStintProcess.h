// SPDX-License-Identifier: Apache-2.0

// What Swift's view of the C library leaves out and starting programs needs.

#ifndef CSTINTPROCESS_H
#define CSTINTPROCESS_H

// A pipe whose ends no child inherits, not even one that another thread starts at this moment. 0, or an errno value.
int stint_pipe(int ends[2]);

// Has the child close every descriptor from `lowest` on, where the system can; else they must be marked close-on-exec.
// `actions` is a posix_spawn_file_actions_t, not named here so that this module does not claim the system's types.
void stint_close_from(void *actions, int lowest);

#endif
