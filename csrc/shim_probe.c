/* SPDX-License-Identifier: Apache-2.0
 *
 * Which system calls there are: an older kernel lacks some, an outer seccomp filter may refuse any. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"
#include "shim_result.h"

#define CALL(name) {#name, SYS_##name}

static const struct {
    const char *name;
    long number;
} CALLS[] = {
    CALL(openat2),       CALL(open_tree),   CALL(fsopen), CALL(fsconfig),   CALL(fsmount),           CALL(move_mount),
    CALL(mount_setattr), CALL(close_range), CALL(clone3), CALL(pidfd_open), CALL(pidfd_send_signal), CALL(execveat),
    CALL(memfd_create),
};

/* With all arguments -1: no flags, sizes, descriptors and pointers that any of them accepts, so none does anything. */
int sh_probe(const char *name)
{
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++)
        if (strcmp(CALLS[i].name, name) == 0)
            return result(syscall(CALLS[i].number, -1L, -1L, -1L, -1L, -1L));
    return -ENOENT;
}
