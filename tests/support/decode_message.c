/* SPDX-License-Identifier: Apache-2.0
 *
 * Decodes MESSAGE_SETUP with pyrunc-init's own code and says as JSON what it understood.
 *
 * Standard input: messages, each after its length (u32, host order).  Standard output: one line for each,
 * {"error": [errno, step, reason]} for one that was refused.  Strings of bytes are in hexadecimal. */
#define _GNU_SOURCE
#include "decoder_stubs.h"

#include <inttypes.h>
#include <stdio.h>

static void put_hex(const void *data, size_t size)
{
    putchar('"');
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const unsigned char *)data)[i]);
    putchar('"');
}

static void put_text(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    if (text)
        put_hex(text, strlen(text));
    else
        printf("null");
}

static void put_texts(const char *name, const char *const *texts, size_t count)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < count; i++) {
        printf(i ? ", " : "");
        put_hex(texts[i], strlen(texts[i]));
    }
    printf("]");
}

static void put_bytes(const char *name, const unsigned char *data, size_t size)
{
    printf(", \"%s\": ", name);
    if (data)
        put_hex(data, size);
    else
        printf("null");
}

static void put_number(const char *name, bool given, uint64_t value)
{
    printf(given ? ", \"%s\": %" PRIu64 : ", \"%s\": null", name, value);
}

static void put_numbers(const char *name, const uint64_t *values, size_t count)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        printf("%s%" PRIu64, i ? ", " : "", values[i]);
    printf("]");
}

static void put_descriptors(const struct setup *setup)
{
    printf("\"root\": [%d, %d], \"listener\": %d, \"preserve\": [", setup->root_kind, setup->root_fd, setup->listener);
    for (size_t i = 0; i < setup->preserve_count; i++)
        printf("%s%d", i ? ", " : "", setup->preserve[i]);
    printf("]");
}

static void put_lists(const struct setup *setup)
{
    put_texts("args", (const char *const *)setup->args, setup->arg_count);
    put_texts("env", (const char *const *)setup->env, setup->env_count);
    put_texts("sysctls", setup->sysctls, 2 * setup->sysctl_count);
    printf(", \"labels\": [");
    for (size_t i = 0; i < setup->label_count; i++) {
        printf(i ? ", [" : "[");
        put_hex(setup->label_files[i], strlen(setup->label_files[i]));
        printf(", ");
        put_hex(setup->labels[i], strlen(setup->labels[i]));
        printf("]");
    }
    printf("], \"rlimits\": [");
    for (size_t i = 0; i < setup->rlimit_count; i++)
        printf("%s[%" PRIu32 ", %" PRIu64 ", %" PRIu64 "]", i ? ", " : "", setup->rlimits[i].resource,
               setup->rlimits[i].soft, setup->rlimits[i].hard);
    printf("], \"groups\": ");
    if (!setup->groups)
        printf("null");
    for (size_t i = 0; setup->groups && i < setup->group_count; i++)
        printf("%s%" PRIu32, i ? ", " : "[", setup->groups[i]);
    if (setup->groups)
        printf(setup->group_count ? "]" : "[]");
}

static void put_hooks(const struct setup *setup)
{
    printf(", \"hooks\": [");
    for (size_t i = 0; i < setup->hook_count; i++) {
        const struct hook *hook = &setup->hooks[i];
        printf("%s{\"timeout\": %" PRIu32, i ? ", " : "", hook->timeout);
        put_text("path", hook->path);
        put_texts("args", (const char *const *)hook->args, hook->arg_count);
        put_texts("env", (const char *const *)hook->env, hook->env_count);
        printf(hook->args[hook->arg_count] || hook->env[hook->env_count] ? ", \"unended\": 1}" : "}");
    }
    printf("]");
    put_text("hook_state", setup->hook_state);
}

static void put_setup(const struct setup *setup)
{
    const struct record_scheduler *scheduler = &setup->scheduler;
    const struct record_capabilities *sets = &setup->capabilities;
    printf("{");
    put_descriptors(setup);
    put_text("hostname", setup->hostname);
    put_text("domainname", setup->domainname);
    put_text("keyring", setup->keyring);
    put_text("key_label", setup->key_label);
    put_text("cwd", setup->cwd);
    put_number("propagation", setup->has_propagation, setup->propagation);
    put_number("umask", setup->has_umask, setup->umask);
    put_number("personality", setup->has_personality, setup->personality);
    put_number("io_priority", setup->has_io_priority, setup->io_priority);
    put_number("no_new_privs", true, setup->no_new_privs);
    put_number("chown_stdio", true, setup->chown_stdio);
    put_number("no_setsid", true, setup->no_setsid);
    put_lists(setup);
    put_numbers("ids", (uint64_t[]){setup->ids.uid, setup->ids.gid}, 2);
    put_numbers("capabilities",
                (uint64_t[]){sets->bounding, sets->effective, sets->permitted, sets->inheritable, sets->ambient}, 5);
    if (setup->has_console)
        put_numbers("console", (uint64_t[]){setup->console.rows, setup->console.columns, setup->console.bind}, 3);
    if (setup->has_scheduler)
        put_numbers("scheduler",
                    (uint64_t[]){scheduler->policy, scheduler->flags, scheduler->nice, scheduler->priority,
                                 scheduler->runtime, scheduler->deadline, scheduler->period},
                    7);
    if (setup->has_memory_policy) {
        put_number("memory_policy", true, setup->memory_policy.mode);
        put_bytes("nodes", setup->nodes, setup->nodes_size);
    }
    put_bytes("affinity", setup->affinity, setup->affinity_size);
    put_bytes("seccomp", setup->seccomp, setup->seccomp_size);
    put_number("seccomp_flags", setup->seccomp, setup->seccomp_flags);
    put_hooks(setup);
    printf("}\n");
}

int main(void)
{
    static struct message message;
    static struct setup setup;
    uint32_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        unsigned char *data = malloc(size ? size : 1);
        if (!data || fread(data, 1, size, stdin) != size)
            return 2;
        if (decode_once(data, size, &message, &setup))
            put_setup(&setup);
        else
            printf("{\"error\": [%d, \"%s\", \"%s\"]}\n", refused_errno, refused_step, refused_reason);
        fflush(stdout);
        free_all();
        free(data);
    }
    return 0;
}
