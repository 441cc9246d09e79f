/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"
#include "shim_result.h"
#include "spawn.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* <sys/mount.h> and <linux/mount.h> do not go together in older C libraries. */
extern int umount2(const char *target, int flags);
extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
extern int setns(int fd, int nstype);
extern int unshare(int flags);

int sh_spawn(uint64_t flags, int cgroup_fd, int exe_fd, int control_fd, int *pidfd)
{
    return pyrunc_spawn(flags, cgroup_fd, exe_fd, control_fd, pidfd);
}

int sh_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return result(syscall(SYS_openat2, dirfd, path, &how, sizeof how));
}

int sh_open_tree(int dirfd, const char *path, unsigned int flags)
{
    return result(syscall(SYS_open_tree, dirfd, path, flags));
}

int sh_move_mount(int from_dirfd, const char *from_path, int to_dirfd, const char *to_path, unsigned int flags)
{
    return result(syscall(SYS_move_mount, from_dirfd, from_path, to_dirfd, to_path, flags));
}

int sh_fsopen(const char *fstype, unsigned int flags)
{
    return result(syscall(SYS_fsopen, fstype, flags));
}

int sh_fsconfig(int fs_fd, unsigned int cmd, const char *key, const char *value, int aux)
{
    return result(syscall(SYS_fsconfig, fs_fd, cmd, key, value, aux));
}

int sh_fsmount(int fs_fd, unsigned int flags, unsigned int attributes)
{
    return result(syscall(SYS_fsmount, fs_fd, flags, attributes));
}

int sh_fspick(int dirfd, const char *path, unsigned int flags)
{
    return result(syscall(SYS_fspick, dirfd, path, flags));
}

int sh_mount_setattr(int dirfd, const char *path, unsigned int flags, uint64_t set, uint64_t clear,
                     uint64_t propagation, int userns_fd)
{
    struct mount_attr attr = {
        .attr_set = set,
        .attr_clr = clear,
        .propagation = propagation,
        .userns_fd = userns_fd >= 0 ? (uint64_t)userns_fd : 0,
    };
    return result(syscall(SYS_mount_setattr, dirfd, path, flags, &attr, sizeof attr));
}

int sh_mount(const char *source, const char *target, const char *fstype, unsigned long flags, const char *data)
{
    return result(mount(source, target, fstype, flags, data));
}

int sh_umount2(const char *target, int flags)
{
    return result(umount2(target, flags));
}

int sh_setns(int fd, int nstype)
{
    return result(setns(fd, nstype));
}

int sh_unshare(int flags)
{
    return result(unshare(flags));
}

int sh_prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5)
{
    return result(prctl(option, a2, a3, a4, a5));
}

int sh_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    int r = result(syscall(SYS_capget, &header, data));
    if (r < 0)
        return r;
    *effective = data[0].effective | (uint64_t)data[1].effective << 32;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    *inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return 0;
}

int sh_prlimit(int pid, int resource, const uint64_t *new_limit, uint64_t *old_limit)
{
    return result(syscall(SYS_prlimit64, pid, resource, new_limit, old_limit));
}

int sh_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
    return result(syscall(SYS_close_range, first, last, flags));
}

int sh_fcntl(int fd, int cmd, long arg)
{
    return result(fcntl(fd, cmd, arg));
}

int sh_flock(int fd, int operation)
{
    return result(flock(fd, operation));
}

int sh_fchownat(int dirfd, const char *path, unsigned int uid, unsigned int gid, int flags)
{
    return result(fchownat(dirfd, path, uid, gid, flags));
}

/* fchmod(2) refuses O_PATH descriptors; fchmodat2(2) takes them since Linux 6.6, before that only the
 * magic link does. */
int sh_fchmod_path(int fd, unsigned int mode)
{
    char link[32];
    int r = result(syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH));
    if (r != -ENOSYS && r != -EPERM && r != -EINVAL)
        return r;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return result(chmod(link, mode));
}

int sh_fstatfs_type(int fd, long *type)
{
    struct statfs buffer;
    int r = result(fstatfs(fd, &buffer));
    if (r == 0)
        *type = (long)buffer.f_type;
    return r;
}

int sh_mount_id(int fd, uint64_t *mount_id)
{
    struct statx buffer;
    int r = result(statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &buffer));
    if (r == 0)
        *mount_id = buffer.stx_mnt_id;
    return r;
}

int sh_renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned int flags)
{
    return result(syscall(SYS_renameat2, from_dirfd, from, to_dirfd, to, flags));
}

int sh_bpf(int cmd, void *attr, unsigned int size)
{
    return result(syscall(SYS_bpf, cmd, attr, size));
}

/* The events that came, 0 when the time has passed. */
int sh_poll(int fd, int events, int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = (short)events};
    int r = result(poll(&entry, 1, timeout_ms));
    return r > 0 ? entry.revents : r;
}

/* The kernel's own answer, which says "(unreachable)" where the C library hides it. */
int sh_getcwd(char *buffer, size_t size)
{
    return result(syscall(SYS_getcwd, buffer, size));
}

/* Bit n-1 of mask is signal n, as in the kernel's sigset_t. */
int sh_signalfd(uint64_t mask)
{
    return result(syscall(SYS_signalfd4, -1, &mask, sizeof mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

/* events: what to wait for in, what came out.  At most 8 descriptors. */
int sh_poll_all(const int *fds, int *events, int count, int timeout_ms)
{
    struct pollfd entries[8];
    if (count < 0 || count > 8)
        return -EINVAL;
    for (int i = 0; i < count; i++)
        entries[i] = (struct pollfd){.fd = fds[i], .events = (short)events[i]};
    int r = result(poll(entries, (nfds_t)count, timeout_ms));
    for (int i = 0; r >= 0 && i < count; i++)
        events[i] = entries[i].revents;
    return r;
}

/* A struct landlock_ruleset_attr as the first kernels had it: newer members are about other things than files. */
int sh_landlock_create_ruleset(uint64_t handled)
{
    return result(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
}

int sh_landlock_add_rule(int ruleset, uint64_t allowed, int folder_fd)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = allowed, .parent_fd = folder_fd};
    return result(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
}

int sh_landlock_restrict_self(int ruleset)
{
    return result(syscall(SYS_landlock_restrict_self, ruleset, 0));
}

int sh_ioctl(int fd, unsigned long request, long argument)
{
    return result(ioctl(fd, request, argument));
}
