/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds MESSAGE_SETUP as pyrunc-init decodes it to a fuzzer; docs/helper-protocol.md ("Fuzzing") says how.
 * With -DSTANDALONE it takes one message from standard input, as AFL wants it. */
#define _GNU_SOURCE
#include "../support/decoder_stubs.h"

#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every string that came out is read to its end. */
static size_t touch(const struct setup *setup)
{
    size_t sum = 0;
    for (size_t i = 0; i < setup->arg_count; i++)
        sum += strlen(setup->args[i]);
    for (size_t i = 0; i < setup->env_count; i++)
        sum += strlen(setup->env[i]);
    for (size_t i = 0; i < 2 * setup->sysctl_count; i++)
        sum += strlen(setup->sysctls[i]);
    for (size_t i = 0; i < setup->label_count; i++)
        sum += strlen(setup->label_files[i]) + strlen(setup->labels[i]);
    for (size_t i = 0; i < setup->hook_count; i++) {
        sum += strlen(setup->hooks[i].path);
        for (char **arg = setup->hooks[i].args; *arg; arg++)
            sum += strlen(*arg);
        for (char **entry = setup->hooks[i].env; *entry; entry++)
            sum += strlen(*entry);
    }
    for (size_t i = 0; i < setup->seccomp_size; i++)
        sum += setup->seccomp[i];
    for (size_t i = 0; i < setup->affinity_size; i++)
        sum += setup->affinity[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message;
    static struct setup setup;
    static volatile size_t sink;
    if (decode_once(data, size, &message, &setup))
        sink += touch(&setup);
    free_all();
    return 0;
}

#include "standalone.h"
