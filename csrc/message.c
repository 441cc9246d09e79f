/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <string.h>

bool message_header_ok(const struct message_header *header)
{
    return header->magic == MESSAGE_MAGIC && header->version == MESSAGE_VERSION && header->size % 4 == 0 &&
           header->size <= MESSAGE_MAX_SIZE && header->fds <= MESSAGE_MAX_FDS;
}

int message_next(const unsigned char *body, size_t size, size_t *offset, struct record *record)
{
    if (*offset == size)
        return 0;
    if (*offset > size || size - *offset < 8)
        return -1;
    memcpy(&record->tag, body + *offset, 4);
    memcpy(&record->length, body + *offset + 4, 4);
    size_t left = size - *offset - 8;
    size_t padded = ((size_t)record->length + 3) & ~(size_t)3;
    if (padded > left)
        return -1;
    record->data = body + *offset + 8;
    *offset += 8 + padded;
    return 1;
}

const char *record_string(const struct record *record)
{
    if (record->length == 0 || memchr(record->data, 0, record->length) != record->data + record->length - 1)
        return NULL;
    return (const char *)record->data;
}

bool record_pair(const struct record *record, const char **first, const char **second)
{
    if (record->length < 2 || record->data[record->length - 1] != 0)
        return false;
    const unsigned char *middle = memchr(record->data, 0, record->length);
    if (middle == record->data + record->length - 1)
        return false;
    if (memchr(middle + 1, 0, record->length - (size_t)(middle + 1 - record->data)) !=
        record->data + record->length - 1)
        return false;
    *first = (const char *)record->data;
    *second = (const char *)middle + 1;
    return true;
}

bool record_copy(const struct record *record, void *target, size_t size)
{
    if (record->length != size)
        return false;
    memcpy(target, record->data, size);
    return true;
}
