/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PASSWD_MAX (1 << 20)

static char *value_of(const struct setup *setup, const char *name)
{
    size_t length = strlen(name);
    char *found = NULL;
    for (size_t i = 0; i < setup->env_count; i++)
        if (strncmp(setup->env[i], name, length) == 0 && setup->env[i][length] == '=')
            found = setup->env[i] + length + 1; /* of duplicates the last counts */
    return found;
}

/* The sixth field of the first line of /etc/passwd whose third is uid, in place; NULL without one. */
static char *home_in(char *text, uint32_t uid)
{
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%u", uid);
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        char *fields[7] = {line};
        size_t count = 1;
        if (end)
            *end = 0;
        for (char *at = line; count < 7 && (at = strchr(at, ':')); fields[count++] = at)
            *at++ = 0;
        if (count >= 6 && strcmp(fields[2], wanted) == 0)
            return fields[5];
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

/* The image's file is read with suspicion: a plain file of bounded size, or none. */
static char *read_passwd(void)
{
    struct stat status;
    int fd = open_under(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_NO_MAGICLINKS);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= PASSWD_MAX) {
        size_t size = (size_t)status.st_size, done = 0;
        text = allocate(size + 1, 1);
        for (ssize_t n; done < size && (n = read(fd, text + done, size - done)) > 0;)
            done += (size_t)n;
    }
    close(fd);
    return text;
}

void add_home(struct setup *setup)
{
    char *given = value_of(setup, "HOME");
    if (given && *given)
        return;
    char *text = read_passwd();
    char *home = text ? home_in(text, setup->ids.uid) : NULL;
    if (!home || !*home)
        home = "/";
    char *entry = allocate(strlen(home) + 6, 1);
    memcpy(entry, "HOME=", 5);
    memcpy(entry + 5, home, strlen(home) + 1);
    size_t kept = 0;
    for (size_t i = 0; i < setup->env_count; i++)
        if (strncmp(setup->env[i], "HOME=", 5) != 0)
            setup->env[kept++] = setup->env[i];
    setup->env[kept++] = entry;
    setup->env[kept] = NULL;
    setup->env_count = kept;
}

/* 0 when the file can be executed, else an errno. */
static int executable(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    return access(path, X_OK) < 0 ? errno : 0;
}

/* As execvp(3) looks: in PATH for a plain name, with the environment that the program gets.  A file in PATH that
 * cannot be executed is passed over: engines tell 127 (not found) from 126 by the words, and runc's are these. */
const char *find_program(const struct setup *setup)
{
    const char *name = setup->args[0];
    if (strchr(name, '/')) {
        int error = executable(name);
        if (error == ENOENT || error == ENOTDIR || error == ELOOP) {
            char reason[512];
            snprintf(reason, sizeof reason, "stat %.300s: %s", name,
                     error == ENOENT    ? "no such file or directory"
                     : error == ENOTDIR ? "not a directory"
                                        : "too many levels of symbolic links");
            fail_about(error, "exec", name, reason);
        }
        if (error == EISDIR)
            fail_about(error, "exec", name, "is a directory: permission denied");
        if (error)
            fail_about(error, "exec", name, NULL);
        return name;
    }
    const char *path = value_of(setup, "PATH");
    while (path && *name) {
        const char *end = strchrnul(path, ':');
        size_t length = (size_t)(end - path);
        char *candidate = allocate(length + strlen(name) + 3, 1);
        memcpy(candidate, path, length);
        if (length == 0)
            candidate[length++] = '.';
        candidate[length++] = '/';
        memcpy(candidate + length, name, strlen(name) + 1);
        if (executable(candidate) == 0)
            return candidate;
        path = *end ? end + 1 : NULL;
    }
    fail_about(ENOENT, "exec", name, "executable file not found in $PATH");
}

/* What else the kernel needs for the program, for the message when exec finds that missing.  To be asked before the
 * seccomp filter is there, which may allow no look at the file. */
const char *interpreter_of(const char *program)
{
    static char start[256];
    struct stat status;
    if (stat(program, &status) < 0 || !S_ISREG(status.st_mode))
        return NULL;
    int fd = open(program, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    ssize_t size = read(fd, start, sizeof start - 1);
    close(fd);
    if (size >= 4 && memcmp(start, "\177ELF", 4) == 0)
        return "that it is linked for";
    if (size < 3 || memcmp(start, "#!", 2) != 0)
        return NULL;
    start[size] = 0;
    char *name = start + 2 + strspn(start + 2, " \t");
    name[strcspn(name, " \t\n")] = 0;
    return name;
}

void fail_exec(int error, const char *program, const char *interpreter)
{
    char reason[512];
    if (error != ENOENT || !interpreter)
        fail_about(error, "exec", program, NULL);
    snprintf(reason, sizeof reason, "the interpreter %.300s: no such file or directory", interpreter);
    fail_about(error, "exec", program, reason);
}

/* The program's descriptors get the numbers 3 and up; everything else closes at exec. */
void move_preserved(const struct setup *setup)
{
    int first = 3, behind = first + (int)setup->preserve_count;
    if (setup->preserve_count == 0)
        return;
    int moved = fcntl(control, F_DUPFD_CLOEXEC, behind);
    if (moved < 0)
        fail(errno, "make room for the preserved descriptors", NULL);
    close(control);
    control = moved;
    for (size_t i = 0; i < setup->preserve_count; i++) {
        int high = fcntl(setup->preserve[i], F_DUPFD_CLOEXEC, behind);
        if (high < 0)
            fail(errno, "make room for the preserved descriptors", NULL);
        close(setup->preserve[i]);
        setup->preserve[i] = high;
    }
    for (size_t i = 0; i < setup->preserve_count; i++)
        if (dup2(setup->preserve[i], first + (int)i) < 0)
            fail(errno, "place the preserved descriptors", NULL);
}
