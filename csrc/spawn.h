/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PYRUNC_SPAWN_H
#define PYRUNC_SPAWN_H

#include <stdint.h>

/* Starts the program open at exe_fd in a new process with the namespaces of flags (CLONE_NEW*), in the
 * cgroup open at cgroup_fd unless that is -1.  The new process has the caller's descriptors 0, 1 and 2,
 * control_fd as descriptor 3 and nothing else.  Returns its pid and stores a pidfd, or returns -errno, also
 * when the program could not be executed (then no process is left). */
int pyrunc_spawn(uint64_t flags, int cgroup_fd, int exe_fd, int control_fd, int *pidfd);

#endif
