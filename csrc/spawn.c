/* SPDX-License-Identifier: Apache-2.0
 *
 * vfork without its traps: the child shares our memory until it executes the helper, so nothing of the
 * interpreter is copied.  It runs on a stack of its own and makes raw system calls only: the C library's
 * errno, locks and signal handlers belong to the parent. */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
static inline long raw(long number, long a, long b, long c, long d, long e)
{
    long value;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(value)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return value;
}
#elif defined(__aarch64__)
static inline long raw(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory", "cc");
    return x0;
}
#else
#error "pyrunc supports x86_64 and aarch64"
#endif

#define STACK_SIZE 16384
#define CONTROL_FD 3

struct child {
    int exe_fd;
    int control_fd;
    volatile int error;
    sigset_t signals; /* the caller's mask; the helper itself empties its own */
};

static char *const ARGV[] = {(char *)(uintptr_t) "pyrunc-init", NULL};
static char *const ENVP[] = {NULL};

/* Never returns.  Signals are blocked throughout, so that no handler of the parent can run in the child. */
static void __attribute__((noreturn, used)) child_main(struct child *child)
{
    long exe = child->exe_fd;
    long r = 0;
    if (exe <= CONTROL_FD)
        exe = r = raw(SYS_fcntl, exe, F_DUPFD_CLOEXEC, CONTROL_FD + 1, 0, 0);
    if (r >= 0 && child->control_fd != CONTROL_FD)
        r = raw(SYS_dup3, child->control_fd, CONTROL_FD, 0, 0, 0);
    else if (r >= 0)
        r = raw(SYS_fcntl, CONTROL_FD, F_SETFD, 0, 0, 0);
    if (r >= 0)
        r = raw(SYS_close_range, CONTROL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC, 0, 0);
    if (r >= 0)
        r = raw(SYS_execveat, exe, (long)(uintptr_t) "", (long)(uintptr_t)ARGV, (long)(uintptr_t)ENVP, AT_EMPTY_PATH);
    child->error = (int)-r;
    for (;;)
        raw(SYS_exit_group, 127, 0, 0, 0, 0);
}

/* clone3 with a new stack cannot return through C in the child: the few instructions that call child_main
 * there are written by hand. */
static long clone_child(struct clone_args *args, struct child *child)
{
    long value;
#if defined(__x86_64__)
    register struct child *r12 __asm__("r12") = child;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r12, %%rdi\n\t"
                     "call child_main\n\t"
                     "1:"
                     : "=a"(value)
                     : "a"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(r12)
                     : "rcx", "r11", "memory");
#else
    register long x8 __asm__("x8") = SYS_clone3;
    register long x0 __asm__("x0") = (long)(uintptr_t)args;
    register long x1 __asm__("x1") = sizeof *args;
    register struct child *x19 __asm__("x19") = child;
    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x30, xzr\n\t"
                     "mov x0, x19\n\t"
                     "bl child_main\n\t"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x19)
                     : "x30", "memory", "cc");
    value = x0;
#endif
    return value;
}

int pyrunc_spawn(uint64_t flags, int cgroup_fd, int exe_fd, int control_fd, int *pidfd)
{
    struct child child = {.exe_fd = exe_fd, .control_fd = control_fd};
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    struct clone_args args = {
        .flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = STACK_SIZE,
    };
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &child.signals);
    long pid = clone_child(&args, &child);
    sigprocmask(SIG_SETMASK, &child.signals, NULL);
    munmap(stack, STACK_SIZE);
    if (pid < 0)
        return (int)pid;
    if (child.error) {
        while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close(*pidfd);
        *pidfd = -1;
        return -child.error;
    }
    return (int)pid;
}
