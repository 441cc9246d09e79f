/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static _Noreturn void malformed(uint32_t tag)
{
    char name[] = "record 000";
    name[7] = (char)('0' + tag / 100 % 10);
    name[8] = (char)('0' + tag / 10 % 10);
    name[9] = (char)('0' + tag % 10);
    fail(EPROTO, "message", name);
}

static const char *string_of(const struct record *record)
{
    const char *text = record_string(record);
    if (!text)
        malformed(record->tag);
    return text;
}

static uint32_t number_of(const struct record *record)
{
    uint32_t value;
    if (!record_copy(record, &value, sizeof value))
        malformed(record->tag);
    return value;
}

static void copy_of(const struct record *record, void *target, size_t size)
{
    if (!record_copy(record, target, size))
        malformed(record->tag);
}

/* How often each tag stands in the message, to allocate the lists at their size. */
struct counts {
    size_t args, env, sysctls, rlimits, hooks, hook_args, hook_env;
};

static void count(const struct message *message, struct counts *counts)
{
    struct record record;
    size_t offset = 0;
    int more;
    while ((more = message_next(message->body, message->size, &offset, &record)) > 0) {
        counts->args += record.tag == TAG_ARG;
        counts->env += record.tag == TAG_ENV;
        counts->sysctls += record.tag == TAG_SYSCTL;
        counts->rlimits += record.tag == TAG_RLIMIT;
        counts->hooks += record.tag == TAG_HOOK;
        counts->hook_args += record.tag == TAG_HOOK_ARG;
        counts->hook_env += record.tag == TAG_HOOK_ENV;
    }
    if (more < 0)
        malformed(0);
}

/* All other records stand at most once: which of two were meant is not for us to guess. */
static bool may_repeat(uint32_t tag)
{
    switch (tag) {
    case TAG_SYSCTL:
    case TAG_RLIMIT:
    case TAG_LSM_EXEC:
    case TAG_ARG:
    case TAG_ENV:
    case TAG_HOOK:
    case TAG_HOOK_PATH:
    case TAG_HOOK_ARG:
    case TAG_HOOK_ENV:
        return true;
    default:
        return false;
    }
}

/* One bit for each tag of a message to us. */
static void refuse_repetition(uint32_t tag, uint64_t seen[2])
{
    if (tag >= 128 || may_repeat(tag))
        return;
    if (seen[tag / 64] >> tag % 64 & 1)
        malformed(tag);
    seen[tag / 64] |= UINT64_C(1) << tag % 64;
}

static void take_fds(const struct message *message, const struct record *record, struct setup *setup)
{
    if (record->length != message->fd_count * sizeof(uint32_t))
        malformed(record->tag);
    setup->preserve = allocate(message->fd_count, sizeof(int));
    for (size_t i = 0; i < message->fd_count; i++) {
        uint32_t kind;
        memcpy(&kind, record->data + i * sizeof kind, sizeof kind);
        if ((kind == FD_PIVOT || kind == FD_MOVE || kind == FD_CHROOT) && setup->root_kind == 0) {
            setup->root_fd = message->fds[i];
            setup->root_kind = (int)kind;
        } else if (kind == FD_LISTENER && setup->listener < 0) {
            setup->listener = message->fds[i];
        } else if (kind == FD_PRESERVE) {
            setup->preserve[setup->preserve_count++] = message->fds[i];
        } else {
            malformed(record->tag);
        }
    }
}

static void take_groups(const struct record *record, struct setup *setup)
{
    if (record->length % sizeof(gid_t) != 0)
        malformed(record->tag);
    setup->group_count = record->length / sizeof(gid_t);
    gid_t *groups = allocate(setup->group_count, sizeof(gid_t));
    memcpy(groups, record->data, record->length);
    setup->groups = groups;
}

static void take_seccomp(const struct record *record, struct setup *setup)
{
    if (record->length < 4 || (record->length - 4) % sizeof(struct sock_filter) != 0)
        malformed(record->tag);
    memcpy(&setup->seccomp_flags, record->data, 4);
    setup->seccomp = record->data + 4;
    setup->seccomp_size = record->length - 4;
    if (setup->seccomp_size / sizeof(struct sock_filter) > USHRT_MAX)
        malformed(record->tag);
}

static void take_memory_policy(const struct record *record, struct setup *setup)
{
    const size_t size = sizeof setup->memory_policy;
    if (record->length < size || (record->length - size) % sizeof(uint64_t) != 0)
        malformed(record->tag);
    memcpy(&setup->memory_policy, record->data, size);
    setup->has_memory_policy = true;
    setup->nodes = record->data + size;
    setup->nodes_size = record->length - size;
}

static void take_pair(const struct record *record, const char **first, const char **second)
{
    if (!record_pair(record, first, second))
        malformed(record->tag);
}

/* The records of a hook stand together, after its TAG_HOOK. */
static void take_hook_record(const struct record *record, struct setup *setup, const struct counts *counts)
{
    struct hook *hook = setup->hooks + setup->hook_count - 1;
    if (record->tag == TAG_HOOK) {
        hook = setup->hooks + setup->hook_count++;
        hook->timeout = number_of(record);
        hook->args = allocate(counts->hook_args + 1, sizeof(char *));
        hook->env = allocate(counts->hook_env + 1, sizeof(char *));
        return;
    }
    if (setup->hook_count == 0)
        malformed(record->tag);
    char *text = (char *)(uintptr_t)string_of(record);
    if (record->tag == TAG_HOOK_PATH && hook->path)
        malformed(record->tag);
    else if (record->tag == TAG_HOOK_PATH)
        hook->path = text;
    else if (record->tag == TAG_HOOK_ARG)
        hook->args[hook->arg_count++] = text;
    else
        hook->env[hook->env_count++] = text;
}

static void check(const struct message *message, const struct setup *setup)
{
    if (message->fd_count > 0 && !setup->preserve)
        malformed(TAG_FDS);
    if (setup->arg_count == 0 && setup->listener < 0) /* a program can only be lacking as long as nobody starts it */
        malformed(TAG_ARG);
    /* To setresuid(2) the highest number means "leave it", which would be root. */
    if (!setup->has_ids || setup->ids.uid == UINT32_MAX || setup->ids.gid == UINT32_MAX)
        malformed(TAG_IDS);
    if (!setup->has_capabilities)
        malformed(TAG_CAPABILITIES);
    for (size_t i = 0; i < setup->hook_count; i++)
        if (!setup->hooks[i].path || !setup->hook_state)
            malformed(TAG_HOOK);
}

void decode_setup(const struct message *message, struct setup *setup)
{
    struct counts counts = {0};
    struct record record;
    size_t offset = 0;
    uint64_t seen[2] = {0};
    count(message, &counts);
    setup->listener = setup->root_fd = -1;
    setup->args = allocate(counts.args + 1, sizeof(char *));
    setup->env = allocate(counts.env + 2, sizeof(char *)); /* one more for HOME */
    setup->sysctls = allocate(2 * counts.sysctls, sizeof(char *));
    setup->rlimits = allocate(counts.rlimits, sizeof(struct record_rlimit));
    setup->hooks = allocate(counts.hooks, sizeof(struct hook));
    while (message_next(message->body, message->size, &offset, &record) > 0) {
        refuse_repetition(record.tag, seen);
        switch (record.tag) {
        case TAG_FDS:
            take_fds(message, &record, setup);
            break;
        case TAG_HOSTNAME:
            setup->hostname = string_of(&record);
            break;
        case TAG_DOMAINNAME:
            setup->domainname = string_of(&record);
            break;
        case TAG_ROOT_PROPAGATION:
            setup->propagation = number_of(&record);
            setup->has_propagation = true;
            break;
        case TAG_SYSCTL:
            take_pair(&record, &setup->sysctls[2 * setup->sysctl_count], &setup->sysctls[2 * setup->sysctl_count + 1]);
            setup->sysctl_count++;
            break;
        case TAG_KEY_LABEL:
            setup->key_label = string_of(&record);
            break;
        case TAG_KEYRING:
            setup->keyring = string_of(&record);
            break;
        case TAG_CONSOLE:
            copy_of(&record, &setup->console, sizeof setup->console);
            setup->has_console = true;
            break;
        case TAG_RLIMIT:
            copy_of(&record, &setup->rlimits[setup->rlimit_count++], sizeof(struct record_rlimit));
            break;
        case TAG_UMASK:
            setup->umask = number_of(&record);
            setup->has_umask = true;
            break;
        case TAG_PERSONALITY:
            setup->personality = number_of(&record);
            setup->has_personality = true;
            break;
        case TAG_SCHEDULER:
            copy_of(&record, &setup->scheduler, sizeof setup->scheduler);
            setup->has_scheduler = true;
            break;
        case TAG_IO_PRIORITY:
            setup->io_priority = number_of(&record);
            setup->has_io_priority = true;
            break;
        case TAG_MEMORY_POLICY:
            take_memory_policy(&record, setup);
            break;
        case TAG_AFFINITY:
            setup->affinity = record.data;
            setup->affinity_size = record.length;
            break;
        case TAG_NO_NEW_PRIVS:
            setup->no_new_privs = true;
            break;
        case TAG_CAPABILITIES:
            copy_of(&record, &setup->capabilities, sizeof setup->capabilities);
            setup->has_capabilities = true;
            break;
        case TAG_IDS:
            copy_of(&record, &setup->ids, sizeof setup->ids);
            setup->has_ids = true;
            break;
        case TAG_GROUPS:
            take_groups(&record, setup);
            break;
        case TAG_LSM_EXEC:
            if (setup->label_count == sizeof setup->labels / sizeof *setup->labels)
                malformed(record.tag);
            take_pair(&record, &setup->label_files[setup->label_count], &setup->labels[setup->label_count]);
            setup->label_count++;
            break;
        case TAG_CWD:
            setup->cwd = string_of(&record);
            break;
        case TAG_ARG:
            setup->args[setup->arg_count++] = (char *)(uintptr_t)string_of(&record);
            break;
        case TAG_ENV:
            setup->env[setup->env_count++] = (char *)(uintptr_t)string_of(&record);
            break;
        case TAG_SECCOMP:
            take_seccomp(&record, setup);
            break;
        case TAG_HOOK:
        case TAG_HOOK_PATH:
        case TAG_HOOK_ARG:
        case TAG_HOOK_ENV:
            take_hook_record(&record, setup, &counts);
            break;
        case TAG_HOOK_STATE:
            setup->hook_state = string_of(&record);
            break;
        case TAG_CHOWN_STDIO:
            setup->chown_stdio = true;
            break;
        case TAG_NO_SETSID:
            setup->no_setsid = true;
            break;
        default:
            malformed(record.tag);
        }
    }
    check(message, setup);
}
