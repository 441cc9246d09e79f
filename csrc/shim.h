/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls that Python's standard library lacks, one function a call, without policy.  Every
 * function returns the call's result, or -errno.  build_shim.py reads the declarations below for cffi, so
 * this file holds nothing but comments, preprocessor lines and plain prototypes. */
#ifndef PYRUNC_SHIM_H
#define PYRUNC_SHIM_H

#include <stddef.h>
#include <stdint.h>

int sh_spawn(uint64_t flags, int cgroup_fd, int exe_fd, int control_fd, int *pidfd);

int sh_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int sh_open_tree(int dirfd, const char *path, unsigned int flags);
int sh_move_mount(int from_dirfd, const char *from_path, int to_dirfd, const char *to_path, unsigned int flags);
int sh_fsopen(const char *fstype, unsigned int flags);
int sh_fsconfig(int fs_fd, unsigned int cmd, const char *key, const char *value, int aux);
int sh_fsmount(int fs_fd, unsigned int flags, unsigned int attributes);
int sh_fspick(int dirfd, const char *path, unsigned int flags);
int sh_mount_setattr(int dirfd, const char *path, unsigned int flags, uint64_t set, uint64_t clear,
                     uint64_t propagation, int userns_fd);
int sh_mount(const char *source, const char *target, const char *fstype, unsigned long flags, const char *data);
int sh_umount2(const char *target, int flags);

int sh_setns(int fd, int nstype);
int sh_unshare(int flags);
int sh_prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5);
int sh_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable);
int sh_prlimit(int pid, int resource, const uint64_t *new_limit, uint64_t *old_limit);
int sh_close_range(unsigned int first, unsigned int last, unsigned int flags);
int sh_fcntl(int fd, int cmd, long arg);
int sh_flock(int fd, int operation);
int sh_fchownat(int dirfd, const char *path, unsigned int uid, unsigned int gid, int flags);
int sh_fchmod_path(int fd, unsigned int mode);
int sh_fstatfs_type(int fd, long *type);
int sh_mount_id(int fd, uint64_t *mount_id);
int sh_renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned int flags);
int sh_bpf(int cmd, void *attr, unsigned int size);
int sh_poll(int fd, int events, int timeout_ms);
int sh_getcwd(char *buffer, size_t size);

int sh_socketpair(int type, int *fds);
int sh_unix_listen(int dirfd, const char *name, int backlog);
int sh_unix_connect(int dirfd, const char *name, int type);
int sh_send(int fd, const char *data, size_t length, const int *fds, int count);
int sh_recv(int fd, char *data, size_t length, int *fds, int max_fds, int *count);

int sh_run_program(const char *path, char *const *argv, char *const *envp, int in, int out, int err, int cwd_fd);

int sh_signalfd(uint64_t mask);
int sh_poll_all(const int *fds, int *events, int count, int timeout_ms);

int sh_landlock_create_ruleset(uint64_t handled);
int sh_landlock_add_rule(int ruleset, uint64_t allowed, int folder_fd);
int sh_landlock_restrict_self(int ruleset);

int sh_ioctl(int fd, unsigned long request, long argument);

int sh_probe(const char *name);

#endif
