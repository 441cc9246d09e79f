/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Zeroed memory that lives until exec: the helper frees nothing. */
void *allocate(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        fail(ENOMEM, "allocate memory", NULL);
    void *memory = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail(errno, "allocate memory", NULL);
    return memory;
}

bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

int open_under(int dirfd, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static bool read_all(int fd, void *data, size_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = recv(fd, at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

void discard(struct message *message)
{
    for (size_t i = 0; i < message->fd_count; i++)
        close(message->fds[i]);
    message->fd_count = 0;
    if (message->body)
        munmap(message->body, message->size);
    message->body = NULL;
}

/* Takes the descriptors out of a control message; false when there are more than the header may announce. */
static bool take_fds(struct msghdr *header, struct message *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (count > MESSAGE_MAX_FDS - message->fd_count)
            return false;
        memcpy(message->fds + message->fd_count, CMSG_DATA(part), count * sizeof(int));
        message->fd_count += count;
    }
    return !(header->msg_flags & MSG_CTRUNC);
}

static bool receive_body(struct message *message, uint32_t size)
{
    if (size == 0)
        return true;
    void *body = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (body == MAP_FAILED)
        return false;
    message->body = body;
    message->size = size;
    return read_all(control, body, size);
}

/* False at the end of the stream and for anything that is not a message of ours; nothing is kept of it then. */
bool receive(struct message *message)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * MESSAGE_MAX_FDS)];
    } rights;
    struct message_header header;
    struct iovec part = {.iov_base = &header, .iov_len = sizeof header};
    struct msghdr got = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    ssize_t n;
    do
        n = recvmsg(control, &got, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    *message = (struct message){0};
    if (n <= 0)
        return false;
    if (take_fds(&got, message) && read_all(control, (char *)&header + n, sizeof header - (size_t)n) &&
        message_header_ok(&header) && header.fds == message->fd_count && receive_body(message, header.size)) {
        message->type = header.type;
        return true;
    }
    discard(message);
    return false;
}

/* Appends a record to a body that has room for it; gives back the bytes it takes. */
size_t put_record(unsigned char *body, uint32_t tag, const void *data, size_t size)
{
    uint32_t length = (uint32_t)size;
    size_t padded = (size + 3) & ~(size_t)3;
    memcpy(body, &tag, 4);
    memcpy(body + 4, &length, 4);
    memset(body + 8, 0, padded);
    memcpy(body + 8, data, size);
    return 8 + padded;
}

/* A runtime that is gone does not hear us; whoever waits for the container sees how it ended. */
void reply(uint16_t type, const void *body, size_t size, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } rights = {0};
    struct message_header header = {MESSAGE_MAGIC, MESSAGE_VERSION, type, (uint32_t)size, fd >= 0};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)body, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        message.msg_control = &rights;
        message.msg_controllen = sizeof rights;
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(control, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EPIPE && errno != ECONNRESET)
        _exit(1); /* a runtime that is there waits for this answer */
}

void report(int error, const char *step, const char *subject, const char *reason)
{
    unsigned char body[2400];
    char text[1024];
    uint32_t number = (uint32_t)error;
    if (subject)
        snprintf(text, sizeof text, "%.400s: \"%.600s\"", step, subject);
    else
        snprintf(text, sizeof text, "%s", step);
    size_t size = put_record(body, TAG_ERRNO, &number, sizeof number);
    size += put_record(body + size, TAG_STEP, text, strlen(text) + 1);
    if (reason) {
        snprintf(text, sizeof text, "%s", reason);
        size += put_record(body + size, TAG_REASON, text, strlen(text) + 1);
    }
    reply(MESSAGE_ERROR, body, size, -1);
}

void fail_about(int error, const char *step, const char *subject, const char *reason)
{
    report(error, step, subject, reason);
    _exit(1);
}

void fail(int error, const char *step, const char *reason)
{
    fail_about(error, step, NULL, reason);
}
