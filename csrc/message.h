/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages between the runtime and pyrunc-init: docs/helper-protocol.md describes them, pyrunc/helper.py
 * writes and reads them on the other side.
 *
 * A message is a header and a body of `size` bytes.  The body is a row of records, each a tag, the length of
 * its payload, the payload, and zero bytes up to the next multiple of four.  All numbers are in host order.
 * Descriptors travel with the first byte of the header (SCM_RIGHTS); `fds` says how many. */
#ifndef PYRUNC_MESSAGE_H
#define PYRUNC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAGIC 0x43525950u /* "PYRC" */
#define MESSAGE_VERSION 1u
#define MESSAGE_MAX_SIZE (64u << 20)
#define MESSAGE_MAX_FDS 253u

struct message_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t size;
    uint32_t fds;
};

enum message_type {
    /* runtime to helper */
    MESSAGE_JOIN = 1,     /* enter and make namespaces, fork into them */
    MESSAGE_CONTINUE = 2, /* the answer to MESSAGE_WAIT and MESSAGE_LISTENER */
    MESSAGE_PREPARE = 3,  /* cgroup namespace, procfs for the builder */
    MESSAGE_SETUP = 4,    /* everything about the process */
    MESSAGE_START = 5,    /* run the program */
    /* helper to runtime */
    MESSAGE_ERROR = 16,    /* ERRNO, STEP and maybe REASON; the helper ends */
    MESSAGE_WAIT = 17,     /* WAIT_FOR: the runtime must do something, then send MESSAGE_CONTINUE */
    MESSAGE_JOINED = 18,   /* PID: of the process that goes on, 0 for the same one */
    MESSAGE_PREPARED = 19, /* with the procfs's descriptor if one was asked for */
    MESSAGE_CONSOLE = 20,  /* CONSOLE_NAME, with the master's descriptor */
    MESSAGE_READY = 21,
    MESSAGE_LISTENER = 22, /* after MESSAGE_START: the seccomp filter's listener, with its descriptor; waits for
                            * MESSAGE_CONTINUE */
};

enum record_tag {
    /* MESSAGE_JOIN */
    TAG_JOIN = 1,     /* u32: CLONE_NEW* flags for setns; takes the next descriptor */
    TAG_NEW = 2,      /* u32: CLONE_NEW* flags for unshare */
    TAG_FORK = 3,     /* empty: go on in a child, which the runtime is the parent of */
    TAG_DUMPABLE = 4, /* empty: in a new user namespace be dumpable until MESSAGE_SETUP, for a runtime without
                       * privileges: it writes the maps, and its builder joins us */
    TAG_WAIT_TIME = 5, /* empty: send MESSAGE_WAIT for the time namespace's offsets */
    TAG_OOM_SCORE_ADJ = 6, /* i32: written by the process itself, before it is non-dumpable */
    TAG_KEEP = 7, /* u64: the capabilities to keep when the order is done; of MESSAGE_PREPARE, too */

    /* MESSAGE_PREPARE */
    TAG_CGROUP_NAMESPACE = 16, /* empty: unshare it now */
    TAG_PROC = 17,             /* empty: mount a procfs and send it back */
    TAG_PROC_OPTION = 18,      /* "key" or "key\0value" for fsconfig */
    TAG_TASKS = 20,            /* * string, the path of a cgroup v1 tasks file, open as the next descriptor: move there */
    TAG_LOOPBACK = 19,         /* empty: bring up "lo" of the new network namespace */

    /* MESSAGE_SETUP; those marked * may stand more than once */
    TAG_FDS = 32,              /* u32[]: enum fd_kind of each descriptor */
    TAG_HOSTNAME = 33,         /* string */
    TAG_DOMAINNAME = 34,       /* string */
    TAG_ROOT_PROPAGATION = 35, /* u32: MS_* flags for mount("/") after the switch */
    TAG_SYSCTL = 36,           /* * path below /proc/sys, NUL, value */
    TAG_KEYRING = 37,          /* string: name of the session keyring to join */
    TAG_CONSOLE = 38,          /* struct record_console */
    TAG_RLIMIT = 39,           /* * struct record_rlimit */
    TAG_UMASK = 40,            /* u32 */
    TAG_PERSONALITY = 41,      /* u32 */
    TAG_SCHEDULER = 42,        /* struct record_scheduler */
    TAG_IO_PRIORITY = 43,      /* u32 */
    TAG_AFFINITY = 44,         /* cpu mask, as sched_setaffinity takes it */
    TAG_NO_NEW_PRIVS = 45,     /* empty */
    TAG_CAPABILITIES = 46,     /* struct record_capabilities */
    TAG_IDS = 47,              /* struct record_ids */
    TAG_GROUPS = 48,           /* u32[]: for setgroups, which is not called without this record */
    TAG_LSM_EXEC = 49,         /* * path below /proc/self/attr, NUL, label */
    TAG_CWD = 50,              /* string */
    TAG_ARG = 51,              /* * string */
    TAG_ENV = 52,              /* * string */
    TAG_SECCOMP = 53,          /* u32 flags, then struct sock_filter[] */
    TAG_HOOK = 54,             /* * u32 timeout in seconds, 0 for none: a startContainer hook begins */
    TAG_HOOK_PATH = 55,        /* string */
    TAG_HOOK_ARG = 56,         /* * string */
    TAG_HOOK_ENV = 57,         /* * string */
    TAG_HOOK_STATE = 58,       /* string: the hooks' standard input */
    TAG_CHOWN_STDIO = 59,      /* empty: give pipes and terminals of stdio to the user */
    TAG_NO_SETSID = 60,        /* empty: stay in the caller's session */
    TAG_KEY_LABEL = 61,        /* string: the SELinux label of the session keyring */
    TAG_MEMORY_POLICY = 65,    /* struct record_memory_policy, then the mask of nodes in 64-bit words */

    /* from the helper */
    TAG_ERRNO = 128,        /* u32 */
    TAG_STEP = 129,         /* string */
    TAG_REASON = 130,       /* string */
    TAG_WAIT_FOR = 131,     /* u32: enum wait_for */
    TAG_PID = 132,          /* u32 */
    TAG_CONSOLE_NAME = 133, /* string */
};

enum fd_kind {
    FD_PIVOT = 1,    /* the root mount: pivot_root to it */
    FD_MOVE = 2,     /* the root mount: move it over "/" (--no-pivot) */
    FD_CHROOT = 3,   /* a directory: chroot into it */
    FD_LISTENER = 4, /* wait for the start on this socket; without one, on the control socket */
    FD_PRESERVE = 5, /* the program's descriptors from 3 on, in order */
};

enum wait_for {
    WAIT_ID_MAPS = 1,
    WAIT_TIME_OFFSETS = 2,
};

struct record_console {
    uint16_t rows, columns;
    uint32_t bind; /* whether to bind the terminal on /dev/console */
};

struct record_rlimit {
    uint32_t resource, unused;
    uint64_t soft, hard;
};

struct record_scheduler {
    uint32_t policy, nice, priority, unused;
    uint64_t flags, runtime, deadline, period;
};

struct record_memory_policy {
    uint32_t mode, unused; /* the mode with its flags */
};

struct record_capabilities {
    uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct record_ids {
    uint32_t uid, gid;
};

/* One record of a message.  Strings are sent with their NUL. */
struct record {
    uint32_t tag, length;
    const unsigned char *data;
};

/* Whether the header is one that this side understands. */
bool message_header_ok(const struct message_header *header);

/* Reads the record at *offset and moves *offset behind it.  1: there is one, 0: the body ends here,
 * -1: the body is malformed. */
int message_next(const unsigned char *body, size_t size, size_t *offset, struct record *record);

/* The payload as a string without NUL but at its end, NULL when it is not one. */
const char *record_string(const struct record *record);

/* Two strings in one payload, the first ended by NUL, the second by the payload's last byte, a NUL too. */
bool record_pair(const struct record *record, const char **first, const char **second);

/* Copies a payload of exactly size bytes. */
bool record_copy(const struct record *record, void *target, size_t size);

#endif
