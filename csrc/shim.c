/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"
#include "spawn.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* <sys/mount.h> and <linux/mount.h> do not go together in older C libraries. */
extern int umount2(const char *target, int flags);
extern int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
extern int setns(int fd, int nstype);
extern int unshare(int flags);

static int result(long value)
{
    return value < 0 ? -errno : (int)value;
}

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

int sh_socketpair(int type, int *fds)
{
    return result(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
}

/* A path of any length is reached through the magic link of its directory's descriptor. */
static int address_of(struct sockaddr_un *address, int dirfd, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = dirfd == AT_FDCWD
                ? snprintf(address->sun_path, sizeof address->sun_path, "%s", name)
                : snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", dirfd, name);
    return n < 0 || (size_t)n >= sizeof address->sun_path ? -ENAMETOOLONG : 0;
}

int sh_unix_listen(int dirfd, const char *name, int backlog)
{
    struct sockaddr_un address;
    int r = address_of(&address, dirfd, name);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int sh_unix_connect(int dirfd, const char *name, int type)
{
    struct sockaddr_un address;
    int r = address_of(&address, dirfd, name);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

/* SCM_MAX_FD of the kernel. */
#define MAX_FDS 253

int sh_send(int fd, const char *data, size_t length, const int *fds, int count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count < 0 || count > MAX_FDS)
        return -EINVAL;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
    }
    return result(sendmsg(fd, &message, MSG_NOSIGNAL));
}

int sh_recv(int fd, char *data, size_t length, int *fds, int max_fds, int *count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    } control;
    struct iovec part = {.iov_base = data, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    *count = 0;
    int r = result(recvmsg(fd, &message, MSG_CMSG_CLOEXEC));
    if (r < 0)
        return r;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        int got = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < got; i++) {
            int passed;
            memcpy(&passed, CMSG_DATA(header) + sizeof(int) * (size_t)i, sizeof passed);
            if (*count < max_fds)
                fds[(*count)++] = passed;
            else
                close(passed);
        }
    }
    return r;
}

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
    sigset_t none;
    /* All signals are blocked so far.  No handler of the parent may run here, and a program expects to start
     * without ignored signals (the interpreter ignores SIGPIPE). */
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action;
        if (sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_DFL) {
            action = (struct sigaction){.sa_handler = SIG_DFL};
            sigaction(signal, &action, NULL);
        }
    }
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
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
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

int sh_ioctl(int fd, unsigned long request, long argument)
{
    return result(ioctl(fd, request, argument));
}
