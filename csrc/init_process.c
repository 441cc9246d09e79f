/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define IOPRIO_WHO_PGRP 2
#define PROC_ROOT_INO 1
#define KEY_USR_SEARCH 0x00080000u
#define KEY_DESCRIPTION_MAX 5120 /* the kernel's KEY_MAX_DESC_SIZE for the name, and the numbers before it */

static int mount_proc(const char *subset)
{
    int mount = -1, fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
    if (fs < 0)
        return -1;
    if ((!subset || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "subset", subset, 0) == 0) &&
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    close(fs);
    return mount;
}

/* The root of a procfs that nothing of the container can be in the way of: the host's, opened before there was
 * anything, or a new one of our pid namespace (mount_proc).  Where that may not be mounted, the container's own,
 * of which write_proc believes nothing but what the kernel guarantees. */
static int open_proc(const char *subset)
{
    if (host_proc >= 0)
        return fcntl(host_proc, F_DUPFD_CLOEXEC, CONTROL_FD + 1);
    int proc = mount_proc(subset);
    return proc >= 0 ? proc : open_under(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
}

/* Files of procfs are reached from its root, and never through a mount, a magic link or out of their directory:
 * what is written to is what the kernel has at that name. */
static void write_proc(int proc, const char *directory, const char *name, const char *value, const char *step,
                       const char *subject)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
    struct statfs fs;
    struct stat status;
    size_t size = strlen(value);
    if (fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC || fstat(proc, &status) < 0 ||
        status.st_ino != PROC_ROOT_INO)
        fail_about(ENODEV, step, subject, "/proc is not procfs");
    int base = open_under(proc, directory, O_PATH | O_DIRECTORY, resolve);
    if (base < 0)
        fail_about(errno, step, subject, NULL);
    int fd = open_under(base, name, O_WRONLY, resolve);
    if (fd < 0)
        fail_about(errno, step, subject, NULL);
    ssize_t n = write(fd, value, size);
    if (n < 0)
        fail_about(errno, step, subject, NULL);
    if ((size_t)n != size)
        fail_about(EIO, step, subject, "the kernel took only a part of the value");
    close(fd);
    close(base);
}

void write_sysctls(const struct setup *setup)
{
    if (setup->sysctl_count == 0)
        return;
    int proc = open_proc(NULL);
    for (size_t i = 0; i < setup->sysctl_count; i++) {
        const char *name = setup->sysctls[2 * i];
        write_proc(proc, "sys", name, setup->sysctls[2 * i + 1], "write sysctl", name);
    }
    close(proc);
}

void set_labels(const struct setup *setup)
{
    if (setup->label_count == 0)
        return;
    int proc = open_proc("pid");
    for (size_t i = 0; i < setup->label_count; i++)
        write_proc(proc, "self/attr", setup->label_files[i], setup->labels[i], "set the LSM label", setup->labels[i]);
    close(proc);
}

/* Without it the keyring would have the runtime's label, and the program could not use its own.  exec resets it. */
static void label_next_keys(const char *label)
{
    int proc = open_proc("pid");
    write_proc(proc, "self/attr", "keycreate", label, "label the session keyring", label);
    close(proc);
}

/* A kernel without keyrings, or an outer filter that forbids them, leaves nothing to protect. */
void join_keyring(const struct setup *setup)
{
    char description[KEY_DESCRIPTION_MAX];
    if (!setup->keyring)
        return;
    if (setup->key_label)
        label_next_keys(setup->key_label);
    long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, setup->keyring, 0, 0, 0);
    if (ring < 0) {
        if (errno == ENOSYS || errno == EPERM)
            return;
        fail(errno, "join a session keyring", NULL);
    }
    long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring, description, sizeof description, 0);
    if (length < 0 || (size_t)length > sizeof description) /* then nothing has been copied */
        fail(length < 0 ? errno : ENAMETOOLONG, "describe the session keyring", NULL);
    /* "type;uid;gid;permissions;name" */
    const char *field = description;
    for (int i = 0; i < 3 && field; i++)
        if ((field = strchr(field, ';')))
            field++;
    unsigned long permissions = field ? strtoul(field, NULL, 16) : 0;
    if (syscall(SYS_keyctl, KEYCTL_SETPERM, ring, permissions | KEY_USR_SEARCH, 0, 0) < 0)
        fail(errno, "set the session keyring's permissions", NULL);
}

void set_scheduling(const struct setup *setup)
{
    if (setup->affinity && syscall(SYS_sched_setaffinity, 0, setup->affinity_size, setup->affinity) < 0)
        fail(errno, "set the CPU affinity", NULL);
    if (setup->has_personality && personality(setup->personality) < 0)
        fail(errno, "set the personality", NULL);
    if (setup->has_io_priority && syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, 0, setup->io_priority) < 0)
        fail(errno, "set ioPriority", NULL);
    /* The kernel takes one bit less than it is told of, so none of 1. */
    if (setup->has_memory_policy && syscall(SYS_set_mempolicy, setup->memory_policy.mode, setup->nodes,
                                            setup->nodes_size * CHAR_BIT + 1) < 0)
        fail(errno, "set the memory policy", NULL);
    if (setup->has_scheduler) {
        struct {
            uint32_t size, policy;
            uint64_t flags;
            int32_t nice;
            uint32_t priority;
            uint64_t runtime, deadline, period;
        } attr = {
            .size = sizeof attr,
            .policy = setup->scheduler.policy,
            .flags = setup->scheduler.flags,
            .nice = (int32_t)setup->scheduler.nice,
            .priority = setup->scheduler.priority,
            .runtime = setup->scheduler.runtime,
            .deadline = setup->scheduler.deadline,
            .period = setup->scheduler.period,
        };
        if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
            fail(errno, "set the scheduler", NULL);
    }
}

/* Only when nothing of ours is left to do: a limit meant for the program must not hamper the helper.  The
 * runtime has raised what needs its privileges. */
void set_final_limits(const struct setup *setup)
{
    for (size_t i = 0; i < setup->rlimit_count; i++) {
        const struct record_rlimit *limit = &setup->rlimits[i];
        uint64_t pair[2] = {limit->soft, limit->hard};
        if (syscall(SYS_prlimit64, 0, limit->resource, pair, NULL) < 0)
            fail(errno, "set the resource limits", NULL);
    }
}

/* Bounding set, groups, ids, then the capabilities that remain: each step needs what the next takes away. */
void set_identity(const struct setup *setup)
{
    const uint64_t bounding = setup->capabilities.bounding;
    for (unsigned long number = 0; number < 64; number++)
        if (!(bounding >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno != EINVAL)
            fail(errno, "drop from the bounding set", NULL);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        fail(errno, "keep capabilities", NULL);
    if (setup->groups && syscall(SYS_setgroups, setup->group_count, setup->groups) < 0)
        fail(errno, "setgroups", NULL);
    if (syscall(SYS_setresgid, setup->ids.gid, setup->ids.gid, setup->ids.gid) < 0)
        fail(errno, "setgid", NULL);
    if (syscall(SYS_setresuid, setup->ids.uid, setup->ids.uid, setup->ids.uid) < 0)
        fail(errno, "setuid", NULL);
    /* The change of credentials has cleared both. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    die_with_parent();
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        fail(errno, "keep capabilities", NULL);
    take_capabilities(setup);
}

/* The raw call says "(unreachable)/..." for a directory outside the root, which a cwd through an open
 * descriptor of the host would be (CVE-2024-21626). */
static void check_directory(const char *cwd)
{
    char path[PATH_MAX];
    if (syscall(SYS_getcwd, path, sizeof path) < 0)
        fail_about(errno, "chdir to cwd", cwd, NULL);
    if (path[0] != '/')
        fail_about(EXDEV, "chdir to cwd", cwd, "current working directory is outside of container root");
}

bool enter_directory(const struct setup *setup)
{
    if (!setup->cwd)
        return true;
    if (chdir(setup->cwd) < 0) {
        if (errno == EACCES)
            return false;
        fail_about(errno, "chdir to cwd", setup->cwd, NULL);
    }
    check_directory(setup->cwd);
    return true;
}

void recheck_directory(const struct setup *setup, bool entered)
{
    if (!setup->cwd)
        return;
    if (!entered && chdir(setup->cwd) < 0)
        fail_about(errno, "chdir to cwd", setup->cwd, NULL);
    check_directory(setup->cwd);
}
