/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets of AF_UNIX, and descriptors in messages. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim.h"
#include "shim_result.h"

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
    /* The mode of a socket that is not bound yet is that of the file, with no moment in between: the umask may
     * be one that lets everybody connect. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
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
    if (message.msg_flags & MSG_CTRUNC) {
        /* There was room for all: what is missing found no number in this process. */
        while (*count > 0)
            close(fds[--*count]);
        return -EMFILE;
    }
    return r;
}
