/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter, and the descriptor of those who answer its notifications.
 *
 * That descriptor exists only once the filter does, and must reach the runtime; but from then on every system call
 * of ours may be one that the filter refuses, or that waits for an answer which nobody could give yet.  So a thread
 * without the filter (it is loaded into one thread only) hands the descriptor over, and the thread with the filter
 * makes no call at all until that is done.  The exec ends the other thread. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE 65536

static _Atomic int listener = -1;
static _Atomic bool ready, taken;

static int hand_over(void *unused)
{
    const struct timespec moment = {.tv_nsec = 20000};
    (void)unused;
    struct message answer;
    int fd;
    /* The other thread waits without sleeping: with a real-time policy it would leave one of its own class nothing
     * of a single CPU, but the kernel keeps some time for ordinary ones. */
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    atomic_store(&ready, true);
    while ((fd = atomic_load(&listener)) < 0)
        nanosleep(&moment, NULL);
    reply(MESSAGE_LISTENER, NULL, 0, fd);
    if (!receive(&answer) || answer.type != MESSAGE_CONTINUE) /* the runtime says itself what went wrong */
        _exit(1);
    atomic_store(&taken, true);
    return 0;
}

static bool notifies(const struct setup *setup)
{
    return setup->seccomp && setup->seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

/* A bare thread, which shares even the C library's errno: the other one looks at its own only before the filter is
 * loaded, and when exec has failed.  All of pthread would make this program larger by a tenth. */
void start_handing_over(const struct setup *setup)
{
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    if (!notifies(setup))
        return;
    char *stack = allocate(STACK_SIZE, 1);
    if (clone(hand_over, stack + STACK_SIZE, flags, NULL) < 0)
        fail(errno, "start the thread that hands over the seccomp listener", NULL);
    while (!atomic_load(&ready))
        sched_yield();
}

void load_seccomp(const struct setup *setup)
{
    if (!setup->seccomp)
        return;
    struct sock_fprog program = {
        .len = (unsigned short)(setup->seccomp_size / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(uintptr_t)setup->seccomp,
    };
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, setup->seccomp_flags, &program);
    if (result < 0)
        fail(errno, "load the seccomp filter", NULL);
    if (!notifies(setup))
        return;
    atomic_store(&listener, (int)result);
    while (!atomic_load(&taken))
        ;
}
