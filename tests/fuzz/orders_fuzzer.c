/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds MESSAGE_JOIN and MESSAGE_PREPARE to what obeys them (csrc/init_namespaces.c), which decodes as it goes.  The
 * system calls are not made: the input's first bytes say how each of them ends.
 * With -DSTANDALONE it takes one input from standard input. */
#define _GNU_SOURCE
#include "../support/decoder_stubs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *script;
static size_t script_size, script_used;

static uint8_t next_of_script(void)
{
    return script_used < script_size ? script[script_used++] : 1;
}

/* How a call ends: mostly well. */
static int ending(int good)
{
    static const int errors[] = {EPERM, EINVAL, ENOSYS, EBUSY};
    uint8_t next = next_of_script();
    if (next < 240)
        return next == 0 ? 0 : good;
    errno = errors[next % 4];
    return -1;
}

static int with_text(const char *key, const char *value)
{
    static volatile size_t sink;
    sink += (key ? strlen(key) : 0) + (value ? strlen(value) : 0);
    return ending(0);
}

static long fake_call(long number, ...)
{
    va_list list;
    const char *key, *value;
    if (number != SYS_fsconfig)
        return ending(number == SYS_clone ? 9 : 6);
    va_start(list, number);
    (void)va_arg(list, int);
    unsigned command = va_arg(list, unsigned);
    key = va_arg(list, const char *);
    value = va_arg(list, const char *);
    va_end(list);
    return with_text(key, command == FSCONFIG_SET_STRING ? value : NULL);
}

/* What init_namespaces.c needs of the other files. */
int host_proc = 5;

void leave_host_proc(void)
{
}

void keep_capabilities(uint64_t mask)
{
    (void)mask;
}

void fail_about(int error, const char *step, const char *subject, const char *reason)
{
    with_text(subject, NULL);
    fail(error, step, reason);
}

bool write_all(int fd, const void *data, size_t size)
{
    (void)fd;
    return strlen(data) >= size && ending(0) == 0;
}

size_t put_record(unsigned char *body, uint32_t tag, const void *data, size_t size)
{
    uint32_t length = (uint32_t)size;
    memcpy(body, &tag, 4);
    memcpy(body + 4, &length, 4);
    memcpy(body + 8, data, size);
    return 8 + ((size + 3) & ~(size_t)3);
}

void reply(uint16_t type, const void *body, size_t size, int fd)
{
    static volatile size_t sink;
    for (size_t i = 0; i < size; i++)
        sink += ((const unsigned char *)body)[i];
    sink += type + (size_t)fd;
}

bool receive(struct message *message)
{
    memset(message, 0, sizeof *message);
    uint8_t next = next_of_script();
    message->type = next < 200 ? MESSAGE_CONTINUE : next;
    message->fd_count = next == 255;
    return next != 254;
}

void discard(struct message *message)
{
    (void)message;
}

static int end_of_call(int fd)
{
    (void)fd;
    return ending(0);
}

static int no_prctl(int option, ...)
{
    return option == 0;
}

#define syscall fake_call
#define setns(fd, type) ((void)(type), end_of_call(fd))
#define unshare(flags) ending(0)
#define prctl no_prctl
#define setresuid(...) ending(0)
#define setresgid(...) ending(0)
#define socket(...) ending(7)
#define ioctl(fd, ...) end_of_call(fd)
#define openat(...) ending(8)
#define close(fd) ((void)(fd))
#define write(fd, data, size) (end_of_call(fd) < 0 ? -1 : (ssize_t)(size))
#define _exit(status) longjmp(refusal, 1)
#include "../../csrc/init_namespaces.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message;
    script_size = size < 32 ? 0 : 32;
    script = data;
    script_used = 0;
    if (setjmp(refusal) == 0) {
        take_message(data + script_size, size - script_size, &message);
        if (message.type == MESSAGE_JOIN)
            join(&message);
        else if (message.type == MESSAGE_PREPARE)
            prepare(&message);
    }
    free_all();
    return 0;
}

#include "standalone.h"
