/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signals.h"

int control = CONTROL_FD;
int host_proc = -1;

/* Whatever is opened later must not become the program's stdin because the caller had closed its own. */
static void open_missing_stdio(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < CONTROL_FD);
    if (fd > CONTROL_FD)
        close(fd);
}

void leave_host_proc(void)
{
    if (host_proc >= 0)
        close(host_proc);
    host_proc = -1;
}

static void apply(struct setup *setup)
{
    begin_phase(setup, PHASE_ROOT);
    if (!setup->no_setsid && setsid() < 0 && errno != EPERM)
        fail(errno, "setsid", NULL);
    join_keyring(setup);
    switch_root(setup);
    if (setup->hostname && sethostname(setup->hostname, __builtin_strlen(setup->hostname)) < 0)
        fail(errno, "sethostname", NULL);
    if (setup->domainname && setdomainname(setup->domainname, __builtin_strlen(setup->domainname)) < 0)
        fail(errno, "setdomainname", NULL);
    write_sysctls(setup);
    begin_phase(setup, PHASE_SETTINGS);
    open_console(setup);
    set_scheduling(setup);
    /* After the last use of procfs nothing of the host is open any more but the control socket. */
    set_labels(setup);
    leave_host_proc();
    begin_phase(setup, PHASE_FILES);
    use_own_dev_null();
    give_stdio_to_user(setup);
    add_home(setup);
    if (setup->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(errno, "set no_new_privs", NULL);
    /* A directory may be open to root only, or (on a network) to the user only. */
    bool entered = enter_directory(setup);
    set_identity(setup);
    recheck_directory(setup, entered);
    if (setup->has_umask)
        umask((mode_t)setup->umask);
}

static bool is_start(struct message *message)
{
    if (!receive(message)) /* another version's, or a `start` that was killed */
        report(EPROTO, "message", NULL, "not understood");
    else if (message->type != MESSAGE_START || message->fd_count > 0)
        report(EPROTO, "message", NULL, "out of turn");
    else
        return true;
    discard(message);
    return false;
}

/* Waits on the listener for a `start` that really sends MESSAGE_START; others come and go, and are told.  So are all
 * where there is no program: then this waits for ever. */
static void wait_for_start(const struct setup *setup)
{
    struct message message;
    if (setup->listener < 0) {
        if (!is_start(&message))
            _exit(1);
        return;
    }
    close(CONTROL_FD);
    for (;;) {
        control = accept4(setup->listener, NULL, NULL, SOCK_CLOEXEC);
        if (control >= 0 && is_start(&message)) {
            if (setup->arg_count > 0)
                break;
            report(EINVAL, "start", NULL, "there is no process to start");
        }
        if (control >= 0)
            close(control);
        else if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
    close(setup->listener);
}

/* The orders up to MESSAGE_SETUP, which is left in message.  MESSAGE_JOIN can only be the first. */
static void obey(struct message *message)
{
    for (bool first = true;; first = false) {
        if (!receive(message)) /* the runtime is gone, or it is not of our version */
            fail(EPROTO, "message", "not understood");
        if (message->type == MESSAGE_SETUP)
            return;
        if (message->type == MESSAGE_JOIN && first)
            join(message);
        else if (message->type == MESSAGE_PREPARE)
            prepare(message);
        else
            fail(EPROTO, "message", "out of turn");
        message->fd_count = 0; /* join has closed them */
        discard(message);
    }
}

int main(void)
{
    /* First of all: no process of the same user, and none in a container that is joined, may look into us. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        _exit(1);
    die_with_parent();
    /* Python ignores SIGPIPE and the caller may block or ignore anything; none of it is the program's business. */
    default_all_signals();
    unblock_all_signals();
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    open_missing_stdio();
    host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

    static struct message message;
    static struct setup setup;
    obey(&message);
    /* TAG_DUMPABLE ends here: soon the program's files are around us, and whoever can write to them. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        fail(errno, "become non-dumpable", NULL);
    decode_setup(&message, &setup);
    apply(&setup);
    const char *program = setup.arg_count > 0 ? find_program(&setup) : NULL;

    rest_capabilities(&setup); /* for as long as others have to act */
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    reply(MESSAGE_READY, NULL, 0, -1);
    wait_for_start(&setup);
    wake_capabilities(&setup);
    if (!program)
        fail(EINVAL, "start", "there is no process to start");

    run_hooks(&setup);
    move_preserved(&setup);
    start_handing_over(&setup); /* a limit may forbid another thread */
    set_final_limits(&setup);
    const char *interpreter = interpreter_of(program);
    /* Last, so that the filter need not allow what the set-up does; without no_new_privs loading it needs
     * CAP_SYS_ADMIN, which set_identity has kept until here. */
    load_seccomp(&setup);
    set_final_capabilities(&setup);
    execve(program, setup.args, setup.env);
    fail_exec(errno, program, interpreter);
}
