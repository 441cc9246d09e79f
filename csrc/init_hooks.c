/* SPDX-License-Identifier: Apache-2.0
 *
 * startContainer hooks: resolved and run in the container, as the program would be. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_KEPT 512

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void hook_child(const struct setup *setup, const struct hook *hook, int input, int output)
{
    char *plain[] = {(char *)(uintptr_t)hook->path, NULL};
    setpgid(0, 0);
    die_with_parent();
    signal(SIGPIPE, SIG_DFL);
    dup2(input, 0);
    dup2(output, 1);
    dup2(output, 2);
    set_final_capabilities(setup);
    execve(hook->path, hook->arg_count ? hook->args : plain, hook->env);
    const char *reason = strerror(errno);
    write_all(2, reason, strlen(reason));
    _exit(127);
}

struct conversation {
    int input, output, pidfd;
    const char *state;
    size_t left;
    char kept[OUTPUT_KEPT];
    size_t length;
};

static void close_input(struct conversation *talk)
{
    if (talk->input >= 0)
        close(talk->input);
    talk->input = -1;
}

/* A hook need not read its input, and may print more than is kept: the rest is read and dropped. */
static void move_data(struct conversation *talk, bool can_write, bool can_read)
{
    if (can_write) {
        ssize_t n = write(talk->input, talk->state, talk->left);
        if (n > 0) {
            talk->state += n;
            talk->left -= (size_t)n;
        }
        if ((n < 0 && errno != EAGAIN) || talk->left == 0)
            close_input(talk);
    }
    if (can_read) {
        char buffer[4096];
        ssize_t n = read(talk->output, buffer, sizeof buffer);
        if (n > 0) {
            size_t room = sizeof talk->kept - 1 - talk->length;
            size_t part = (size_t)n < room ? (size_t)n : room;
            memcpy(talk->kept + talk->length, buffer, part);
            talk->length += part;
        } else if (n == 0 || errno != EAGAIN) {
            close(talk->output);
            talk->output = -1;
        }
    }
}

/* False when the time is over before the hook is. */
static bool converse(struct conversation *talk, uint32_t timeout)
{
    int64_t deadline = now_ms() + (int64_t)timeout * 1000;
    for (;;) {
        struct pollfd fds[3] = {
            {talk->pidfd, POLLIN, 0},
            {talk->input, POLLOUT, 0},
            {talk->output, POLLIN, 0},
        };
        int64_t left = timeout ? deadline - now_ms() : -1;
        if (timeout && left <= 0)
            return false;
        int wait = left > 1000 || left < 0 ? 1000 : (int)left;
        if (poll(fds, 3, wait) < 0 && errno != EINTR)
            fail(errno, "wait for a startContainer hook", NULL);
        move_data(talk, fds[1].revents != 0, fds[2].revents != 0);
        if (fds[0].revents)
            break;
    }
    for (int i = 0; i < 16 && talk->output >= 0; i++)
        move_data(talk, false, true);
    return true;
}

static void run_hook(const struct setup *setup, size_t index)
{
    const struct hook *hook = &setup->hooks[index];
    struct conversation talk = {.state = setup->hook_state, .left = strlen(setup->hook_state)};
    int input[2], output[2], status;
    char step[64], reason[OUTPUT_KEPT + 96];
    snprintf(step, sizeof step, "error running startContainer hook #%zu", index);
    if (pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0)
        fail(errno, step, NULL);
    pid_t pid = fork();
    if (pid < 0)
        fail(errno, step, NULL);
    if (pid == 0)
        hook_child(setup, hook, input[0], output[1]);
    close(input[0]);
    close(output[1]);
    fcntl(input[1], F_SETFL, O_NONBLOCK);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    talk.input = input[1];
    talk.output = output[0];
    talk.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (talk.pidfd < 0)
        fail(errno, step, NULL);
    bool ended = converse(&talk, hook->timeout);
    if (!ended) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close_input(&talk);
    if (talk.output >= 0)
        close(talk.output);
    close(talk.pidfd);
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    while (talk.length > 0 && talk.kept[talk.length - 1] == '\n')
        talk.length--;
    talk.kept[talk.length] = 0;
    if (!ended)
        snprintf(reason, sizeof reason, "timed out after %u seconds, output: %s", hook->timeout, talk.kept);
    else if (WIFSIGNALED(status))
        snprintf(reason, sizeof reason, "killed by signal %d, output: %s", WTERMSIG(status), talk.kept);
    else
        snprintf(reason, sizeof reason, "exit status %d, output: %s", WEXITSTATUS(status), talk.kept);
    fail_about(ECANCELED, step, hook->path, reason);
}

void run_hooks(const struct setup *setup)
{
    if (setup->hook_count == 0)
        return;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < setup->hook_count; i++)
        run_hook(setup, i);
    signal(SIGPIPE, SIG_DFL);
}
