/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

void die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

struct join_request {
    uint32_t nstype[MESSAGE_MAX_FDS];
    size_t count;
    uint32_t new_namespaces;
    uint64_t keep;
    bool fork, dumpable, wait_time;
};

static uint64_t capabilities_in(const struct record *record)
{
    uint64_t mask;
    if (!record_copy(record, &mask, sizeof mask))
        fail(EPROTO, "message", "keep");
    return mask;
}

static void write_oom_score_adj(const struct record *record)
{
    int32_t value;
    char text[16];
    if (!record_copy(record, &value, sizeof value))
        fail(EPROTO, "message", "oom_score_adj");
    int length = snprintf(text, sizeof text, "%d", value);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    int fd = openat(host_proc, "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || !write_all(fd, text, (size_t)length))
        fail(errno, "write oom_score_adj", NULL);
    close(fd);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void decode_join(const struct message *message, struct join_request *request)
{
    struct record record;
    size_t offset = 0;
    int more;
    while ((more = message_next(message->body, message->size, &offset, &record)) > 0) {
        switch (record.tag) {
        case TAG_JOIN:
            if (request->count == message->fd_count ||
                !record_copy(&record, &request->nstype[request->count++], sizeof(uint32_t)))
                fail(EPROTO, "message", "join");
            break;
        case TAG_NEW:
            if (!record_copy(&record, &request->new_namespaces, sizeof(uint32_t)))
                fail(EPROTO, "message", "new");
            break;
        case TAG_FORK:
            request->fork = true;
            break;
        case TAG_DUMPABLE:
            request->dumpable = true;
            break;
        case TAG_WAIT_TIME:
            request->wait_time = true;
            break;
        case TAG_OOM_SCORE_ADJ:
            write_oom_score_adj(&record);
            break;
        case TAG_KEEP:
            request->keep = capabilities_in(&record);
            break;
        default:
            fail(EPROTO, "message", "unknown record");
        }
    }
    if (more < 0 || request->count != message->fd_count)
        fail(EPROTO, "message", "malformed");
}

static void ask(uint32_t what)
{
    unsigned char body[16];
    struct message answer;
    reply(MESSAGE_WAIT, body, put_record(body, TAG_WAIT_FOR, &what, sizeof what), -1);
    if (!receive(&answer))
        _exit(1);
    if (answer.type != MESSAGE_CONTINUE || answer.fd_count > 0)
        fail(EPROTO, "message", "out of turn");
    discard(&answer);
}

/* The maps are there, or the namespace is a joined one: act as its root, so that what is made belongs to it. */
static void become_root(bool dumpable)
{
    if (setresgid(0, 0, 0) < 0)
        fail(errno, "become gid 0 of the user namespace", NULL);
    if (setresuid(0, 0, 0) < 0)
        fail(errno, "become uid 0 of the user namespace", NULL);
    prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
    die_with_parent(); /* cleared by the change of credentials */
}

/* Goes on in a child of the runtime's own, in the pid and time namespaces that only children enter. */
static void go_on_in_child(void)
{
    unsigned char body[16];
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid < 0)
        fail(errno, "fork into the namespaces", NULL);
    if (pid > 0) {
        uint32_t number = (uint32_t)pid;
        reply(MESSAGE_JOINED, body, put_record(body, TAG_PID, &number, sizeof number), -1);
        _exit(0);
    }
    die_with_parent();
}

/* Namespaces are entered before the user namespace with the privileges we came with, or, where those do not
 * suffice, after it with the privileges it gives. */
void join(const struct message *message)
{
    struct join_request request = {.keep = ~0ull};
    decode_join(message, &request);
    bool joined[MESSAGE_MAX_FDS] = {false};
    bool dumpable = request.dumpable && request.new_namespaces & CLONE_NEWUSER;
    bool new_user = false, among_others = false;

    for (size_t i = 0; i < request.count; i++) {
        among_others |= (request.nstype[i] & CLONE_NEWPID) != 0;
        if (request.nstype[i] & CLONE_NEWUSER)
            continue;
        if (setns(message->fds[i], (int)request.nstype[i]) == 0)
            joined[i] = true;
        else if (errno != EPERM)
            fail(errno, "join namespace", NULL);
    }
    for (size_t i = 0; i < request.count; i++) {
        if (!(request.nstype[i] & CLONE_NEWUSER))
            continue;
        if (setns(message->fds[i], (int)request.nstype[i]) < 0)
            fail(errno, "join user namespace", NULL);
        joined[i] = new_user = true;
    }
    if (request.new_namespaces & CLONE_NEWUSER) {
        if (unshare(CLONE_NEWUSER) < 0)
            fail(errno, "make a user namespace", NULL);
        if (dumpable)
            prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        ask(WAIT_ID_MAPS);
        new_user = true;
    }
    if (new_user)
        become_root(dumpable);
    for (size_t i = 0; i < request.count; i++) {
        if (!joined[i] && setns(message->fds[i], (int)request.nstype[i]) < 0)
            fail(errno, "join namespace", NULL);
        close(message->fds[i]);
    }
    if (unshare((int)(request.new_namespaces & ~(uint32_t)CLONE_NEWUSER)) < 0)
        fail(errno, "make namespaces", NULL);
    if (request.wait_time)
        ask(WAIT_TIME_OFFSETS);
    /* Before we are among processes that may be allowed to trace us: what we hold then could be theirs. */
    keep_capabilities(request.keep);
    if (among_others)
        leave_host_proc();
    if (request.fork)
        go_on_in_child();
    else
        reply(MESSAGE_JOINED, NULL, 0, -1);
}

static int make_proc(const struct message *message)
{
    struct record record;
    size_t offset = 0;
    int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    if (fs < 0)
        fail(errno, "fsopen proc", NULL);
    while (message_next(message->body, message->size, &offset, &record) > 0) {
        const char *key, *value;
        if (record.tag != TAG_PROC_OPTION)
            continue;
        if (record_pair(&record, &key, &value)) {
            if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) < 0)
                fail_about(errno, "fsconfig proc", key, NULL);
        } else if ((key = record_string(&record)) == NULL ||
                   syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0) < 0) {
            fail_about(key ? errno : EPROTO, "fsconfig proc", key, NULL);
        }
    }
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", "proc", 0) < 0)
        fail(errno, "fsconfig proc", NULL);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        fail(errno, "create proc", NULL);
    int mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    if (mount < 0)
        fail(errno, "fsmount proc", NULL);
    close(fs);
    return mount;
}

/* In a new network namespace even the loopback interface is down; programs (and runc's users) expect it up. */
static void bring_up_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail(errno, "bring up lo", NULL);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        fail(errno, "bring up lo", NULL);
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail(errno, "bring up lo", NULL);
    close(fd);
}

/* A thread that moves itself needs none of the locks over all processes of the host that moving another process
 * takes, and which cost milliseconds when they have not been taken for a while. */
static void join_cgroup(const struct record *record, int fd)
{
    const char *path = record_string(record);
    if (!path)
        fail(EPROTO, "message", "tasks");
    if (write(fd, "0", 1) != 1)
        fail_about(errno, "join cgroup", path, NULL);
    close(fd);
}

/* procfs shows the pid namespace of the process that makes it, and the builder is not in ours. */
void prepare(const struct message *message)
{
    struct record record;
    size_t offset = 0;
    int more, proc = -1;
    size_t used = 0;
    uint64_t keep = ~0ull;
    while ((more = message_next(message->body, message->size, &offset, &record)) > 0) {
        if (record.tag == TAG_TASKS) {
            if (used == message->fd_count)
                fail(EPROTO, "message", "tasks");
            join_cgroup(&record, message->fds[used++]);
        } else if (record.tag == TAG_CGROUP_NAMESPACE) {
            if (unshare(CLONE_NEWCGROUP) < 0)
                fail(errno, "make a cgroup namespace", NULL);
        } else if (record.tag == TAG_LOOPBACK) {
            bring_up_loopback();
        } else if (record.tag == TAG_PROC) {
            proc = make_proc(message);
        } else if (record.tag == TAG_KEEP) {
            keep = capabilities_in(&record);
        } else if (record.tag != TAG_PROC_OPTION) {
            fail(EPROTO, "message", "unknown record");
        }
    }
    if (more < 0 || used != message->fd_count)
        fail(EPROTO, "message", "malformed");
    keep_capabilities(keep);
    reply(MESSAGE_PREPARED, NULL, 0, proc);
    if (proc >= 0)
        close(proc);
}
