/* SPDX-License-Identifier: Apache-2.0
 *
 * Default dispositions for every signal.  The C library refuses to touch two signals that it keeps for itself (32
 * and 33), yet whoever started us may have left them ignored, which programs inherit. */
#ifndef PYRUNC_SIGNALS_H
#define PYRUNC_SIGNALS_H

#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_SIGNALS 64

/* The kernel's struct sigaction on x86_64 and aarch64, all zero: SIG_DFL, no flags, empty mask. */
static const unsigned long DEFAULT_ACTION[4];

static inline void default_all_signals(void)
{
    for (int number = 1; number <= KERNEL_SIGNALS; number++)
        syscall(SYS_rt_sigaction, number, DEFAULT_ACTION, NULL, KERNEL_SIGNALS / 8);
}

static inline void unblock_all_signals(void)
{
    static const unsigned long none;
    syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK of the kernel */, &none, NULL, KERNEL_SIGNALS / 8);
}

#endif
