/* SPDX-License-Identifier: Apache-2.0
 *
 * denied ENOSYS|EPERM CALL[,CALL...] COMMAND [ARG...]
 *
 * Executes a command under a seccomp filter which answers these system calls with that error, as the filter of an
 * outer container (EPERM, ENOSYS) or an older kernel (ENOSYS) would.  All that the command starts inherits it. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define CALL(name) {#name, SYS_##name}
#define CALLS_MAX 32

static const struct {
    const char *name;
    unsigned int number;
} CALLS[] = {
    CALL(openat2),         CALL(open_tree),   CALL(fsopen),     CALL(fsconfig),          CALL(fsmount),
    CALL(fspick),          CALL(move_mount),  CALL(close_range), CALL(mount_setattr),    CALL(clone3),
    CALL(pidfd_open),      CALL(execveat),    CALL(memfd_create), CALL(pidfd_send_signal),
};

static unsigned int number_of(const char *name)
{
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++)
        if (strcmp(CALLS[i].name, name) == 0)
            return CALLS[i].number;
    fprintf(stderr, "denied: no system call %s here\n", name);
    exit(125);
}

static int load(const char *error, char *names)
{
    struct sock_filter code[5 + 2 * CALLS_MAX];
    const unsigned int answer = SECCOMP_RET_ERRNO | (strcmp(error, "ENOSYS") == 0 ? ENOSYS : EPERM);
    unsigned short length = 0;
    code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (char *name = strtok(names, ","); name && length < 2 * CALLS_MAX; name = strtok(NULL, ",")) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number_of(name), 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = length, .filter = code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: denied ENOSYS|EPERM CALL[,CALL...] COMMAND [ARG...]\n");
        return 125;
    }
    if (load(argv[1], argv[2]) < 0) {
        perror("denied: seccomp");
        return 125;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
