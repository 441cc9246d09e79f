/* SPDX-License-Identifier: Apache-2.0
 *
 * What csrc/message.c and csrc/init_setup.c need of the rest of pyrunc-init, for programs that only decode:
 * fail() comes back to decode_once(), and allocate()'s memory is given back after each message. */
#ifndef PYRUNC_DECODER_STUBS_H
#define PYRUNC_DECODER_STUBS_H

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/init.h"

#define MEMORY_MAX (256u << 20)

struct block {
    struct block *next;
    max_align_t memory[];
};

static jmp_buf refusal;
static struct block *blocks;
static size_t memory_used;
static int refused_errno;
static char refused_step[64], refused_reason[64];

void fail(int error, const char *step, const char *reason)
{
    refused_errno = error;
    strncpy(refused_step, step, sizeof refused_step - 1);
    strncpy(refused_reason, reason ? reason : "", sizeof refused_reason - 1);
    longjmp(refusal, 1);
}

void *allocate(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > MEMORY_MAX - memory_used)
        fail(ENOMEM, "allocate memory", NULL);
    struct block *block = calloc(1, sizeof *block + bytes);
    if (!block)
        fail(ENOMEM, "allocate memory", NULL);
    memory_used += bytes;
    block->next = blocks;
    blocks = block;
    return block->memory;
}

static void free_all(void)
{
    while (blocks) {
        struct block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
    memory_used = 0;
}

/* Takes a whole message as it came over the socket, all at once; its descriptors are 100, 101, ... */
static inline void take_message(const unsigned char *data, size_t size, struct message *message)
{
    struct message_header header;
    memset(message, 0, sizeof *message);
    if (size < sizeof header)
        fail(EPROTO, "header", "too short");
    memcpy(&header, data, sizeof header);
    if (!message_header_ok(&header))
        fail(EPROTO, "header", "not ok");
    if (header.size != size - sizeof header)
        fail(EPROTO, "header", "another size follows");
    message->type = header.type;
    message->size = header.size;
    /* A copy of exactly its size: reading one byte too many is seen. */
    message->body = allocate(header.size, 1);
    memcpy(message->body, data + sizeof header, header.size);
    message->fd_count = header.fds;
    for (size_t i = 0; i < message->fd_count; i++)
        message->fds[i] = 100 + (int)i;
}

/* Decodes MESSAGE_SETUP.  What was decoded stays valid until free_all(). */
static inline bool decode_once(const unsigned char *data, size_t size, struct message *message, struct setup *setup)
{
    memset(setup, 0, sizeof *setup);
    if (setjmp(refusal))
        return false;
    take_message(data, size, message);
    decode_setup(message, setup);
    return true;
}

#endif
