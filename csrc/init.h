/* SPDX-License-Identifier: Apache-2.0
 *
 * pyrunc-init: the process that becomes the container's, from its spawning to the user's program.  It decides
 * nothing.  Each file does one part of the recipe; init.c has the order. */
#ifndef PYRUNC_INIT_H
#define PYRUNC_INIT_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "message.h"

/* The socket to the runtime: spawn.c puts it here. */
#define CONTROL_FD 3

struct message {
    uint16_t type;
    uint32_t size;
    unsigned char *body; /* mapped, kept until exec */
    int fds[MESSAGE_MAX_FDS];
    size_t fd_count;
};

struct hook {
    uint32_t timeout; /* seconds, 0 for none */
    const char *path;
    size_t arg_count, env_count;
    char **args, **env;
};

/* MESSAGE_SETUP, decoded.  Pointers go into the message's body. */
struct setup {
    int root_fd, root_kind; /* enum fd_kind, 0 for none */
    int listener;
    int *preserve;
    size_t preserve_count;
    const char *hostname, *domainname, *keyring, *key_label, *cwd;
    bool has_propagation, has_umask, has_personality, has_scheduler, has_io_priority, has_console, has_ids,
        has_capabilities, has_memory_policy;
    bool no_new_privs, chown_stdio, no_setsid;
    uint32_t propagation, umask, personality, io_priority;
    struct record_console console;
    struct record_scheduler scheduler;
    struct record_capabilities capabilities;
    struct record_ids ids;
    struct record_memory_policy memory_policy;
    const unsigned char *nodes;
    size_t nodes_size;
    const unsigned char *affinity;
    size_t affinity_size;
    const gid_t *groups; /* NULL: leave them */
    size_t group_count;
    const char *label_files[2], *labels[2];
    size_t label_count;
    struct record_rlimit *rlimits;
    size_t rlimit_count;
    const char **sysctls; /* path, value, path, value, ... */
    size_t sysctl_count;
    char **args, **env;
    size_t arg_count, env_count;
    const unsigned char *seccomp;
    size_t seccomp_size;
    uint32_t seccomp_flags;
    struct hook *hooks;
    size_t hook_count;
    const char *hook_state;
};

/* Where the runtime is listened to and answered: CONTROL_FD, or the connection of `start`. */
extern int control;

/* The host's procfs, opened before anything of the container could be in its way; closed before "ready", and before
 * we are among the processes of a pid namespace that others live in: who may trace us could take it (-1 then). */
extern int host_proc;

/* init.c */
void leave_host_proc(void);

/* init_io.c: whole messages, and the end of the story. */
bool receive(struct message *message);
void discard(struct message *message);
void reply(uint16_t type, const void *body, size_t size, int fd);
size_t put_record(unsigned char *body, uint32_t tag, const void *data, size_t size);
void report(int error, const char *step, const char *subject, const char *reason);
_Noreturn void fail(int error, const char *step, const char *reason);
_Noreturn void fail_about(int error, const char *step, const char *subject, const char *reason);
void *allocate(size_t count, size_t size);
bool write_all(int fd, const void *data, size_t size);
int open_under(int dirfd, const char *path, int flags, uint64_t resolve);

/* init_setup.c */
void decode_setup(const struct message *message, struct setup *setup);

/* init_namespaces.c */
void join(const struct message *message);
void prepare(const struct message *message);
void die_with_parent(void);

/* init_root.c */
void switch_root(const struct setup *setup);

/* init_terminal.c */
void open_console(const struct setup *setup);
void use_own_dev_null(void);
void give_stdio_to_user(const struct setup *setup);

/* init_process.c */
void write_sysctls(const struct setup *setup);
void join_keyring(const struct setup *setup);
void set_scheduling(const struct setup *setup);
void set_labels(const struct setup *setup);
void set_identity(const struct setup *setup);
void set_final_limits(const struct setup *setup);
bool enter_directory(const struct setup *setup);
void recheck_directory(const struct setup *setup, bool entered);

/* init_capabilities.c */
enum phase {
    PHASE_ROOT,     /* keyring, root, names, sysctls */
    PHASE_SETTINGS, /* terminal, scheduling, LSM label */
    PHASE_FILES,    /* what is opened of the image; the identity */
};

/* Drops all capabilities but these; what is not there stays away. */
void keep_capabilities(uint64_t mask);
/* Drops what neither the steps from this phase on nor the program need. */
void begin_phase(const struct setup *setup, enum phase phase);
/* The program's sets, and what load_seccomp needs. */
void take_capabilities(const struct setup *setup);
/* Nothing is effective while somebody else has to act; and back again. */
void rest_capabilities(const struct setup *setup);
void wake_capabilities(const struct setup *setup);
void set_final_capabilities(const struct setup *setup);

/* init_seccomp.c */
void start_handing_over(const struct setup *setup);
void load_seccomp(const struct setup *setup);

/* init_program.c */
void add_home(struct setup *setup);
const char *find_program(const struct setup *setup);
const char *interpreter_of(const char *program);
_Noreturn void fail_exec(int error, const char *program, const char *interpreter);
void move_preserved(const struct setup *setup);

/* init_hooks.c */
void run_hooks(const struct setup *setup);

#endif
