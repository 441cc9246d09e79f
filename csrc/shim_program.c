/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a program of the host: a hook. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"
#include "shim_result.h"
#include "signals.h"

struct program {
    const char *path;
    char *const *argv;
    char *const *envp;
    int stdio[3];
    int cwd_fd;
};

/* In the child of vfork, which shares our memory: system calls only.  Returns the errno of what failed. */
static int become_program(const struct program *program)
{
    int stdio[3];
    /* All signals are blocked so far.  No handler of the parent may run here, and a program expects to start
     * without ignored signals (the interpreter ignores SIGPIPE). */
    default_all_signals();
    /* First out of the way of 0 to 2: those may be free in the parent, and then they are what it passes. */
    for (int i = 0; i < 3; i++)
        if ((stdio[i] = fcntl(program->stdio[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return errno;
    for (int i = 0; i < 3; i++)
        if (dup2(stdio[i], i) < 0)
            return errno;
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return errno;
    /* After the descriptors: the directory's own is only marked to be closed by execve. */
    if (program->cwd_fd >= 0 && fchdir(program->cwd_fd) < 0)
        return errno;
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return errno;
    unblock_all_signals();
    execve(program->path, program->argv, program->envp);
    return errno;
}

/* posix_spawn cannot set the parent-death signal, nor (through Python) the directory or the descriptors to
 * close; fork copies the interpreter's page tables. */
int sh_run_program(const char *path, char *const *argv, char *const *envp, int in, int out, int err, int cwd_fd)
{
    const struct program program = {
        .path = path, .argv = argv, .envp = envp, .stdio = {in, out, err}, .cwd_fd = cwd_fd};
    volatile int error = 0; /* written by the child, in the memory that it shares with us */
    sigset_t all;
    sigset_t saved;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &saved);
    pid_t pid = vfork();
    if (pid == 0) {
        error = become_program(&program);
        _exit(127);
    }
    int r = result(pid);
    if (r > 0 && error != 0) {
        waitpid(pid, NULL, 0);
        r = -error;
    }
    sigprocmask(SIG_SETMASK, &saved, NULL);
    return r;
}
