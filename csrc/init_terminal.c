/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TTYAUX_MAJOR 5
#define PTMX_MINOR 2
#define PTY_SLAVE_MAJOR_FIRST 136
#define PTY_SLAVE_MAJOR_LAST 143

/* The container may have put anything at these names (CVE-2025-52565): no link is followed, and what was
 * opened must be the pty multiplexer. */
static int open_multiplexer(void)
{
    struct stat status;
    int fd = open_under(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);
    if (fd < 0)
        fd = open_under(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);
    if (fd < 0)
        fail(errno, "open /dev/pts/ptmx", NULL);
    if (fstat(fd, &status) < 0 || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(TTYAUX_MAJOR, PTMX_MINOR))
        fail(ENODEV, "open /dev/pts/ptmx", "it is not the pty multiplexer");
    return fd;
}

static int open_slave(int master)
{
    struct stat status;
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        fail(errno, "unlock the terminal", NULL);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        fail(errno, "open the terminal", NULL);
    if (fstat(slave, &status) < 0 || !S_ISCHR(status.st_mode) || major(status.st_rdev) < PTY_SLAVE_MAJOR_FIRST ||
        major(status.st_rdev) > PTY_SLAVE_MAJOR_LAST)
        fail(ENODEV, "open the terminal", "it is not a pty");
    return slave;
}

static void bind_on_dev_console(int slave)
{
    /* What is there may be a device: a place to mount on is all that is needed, opening it could do something. */
    int target = open_under(AT_FDCWD, "/dev/console", O_PATH, RESOLVE_NO_SYMLINKS);
    if (target < 0 && errno == ENOENT) {
        struct open_how how = {
            .flags = O_CREAT | O_EXCL | O_RDONLY | O_NOCTTY | O_CLOEXEC,
            .mode = 0666,
            .resolve = RESOLVE_NO_SYMLINKS,
        };
        target = (int)syscall(SYS_openat2, AT_FDCWD, "/dev/console", &how, sizeof how);
    }
    if (target < 0)
        fail(errno, "open /dev/console", NULL);
    int tree = (int)syscall(SYS_open_tree, slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0)
        fail(errno, "clone the terminal's mount", NULL);
    if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(errno, "bind the terminal on /dev/console", NULL);
    close(tree);
    close(target);
}

void open_console(const struct setup *setup)
{
    if (!setup->has_console)
        return;
    int master = open_multiplexer();
    int slave = open_slave(master);
    int number;
    if (ioctl(master, TIOCGPTN, &number) < 0)
        fail(errno, "number the terminal", NULL);
    if (setup->console.rows || setup->console.columns) {
        struct winsize size = {.ws_row = setup->console.rows, .ws_col = setup->console.columns};
        if (ioctl(slave, TIOCSWINSZ, &size) < 0)
            fail(errno, "set the terminal's size", NULL);
    }
    if (setup->console.bind)
        bind_on_dev_console(slave);
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        fail(errno, "make the terminal ours", NULL);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0)
            fail(errno, "attach the terminal", NULL);
    close(slave);

    unsigned char body[64];
    char name[32];
    int length = snprintf(name, sizeof name, "/dev/pts/%d", number);
    reply(MESSAGE_CONSOLE, body, put_record(body, TAG_CONSOLE_NAME, name, (size_t)length + 1), master);
    close(master);
}

/* What came as the host's /dev/null becomes the container's own: who is root there could change the mode of the
 * host's file through the descriptor.  What is not the null device (the image decides in an exec) is not taken. */
void use_own_dev_null(void)
{
    const dev_t null_device = makedev(1, 3);
    struct stat status;
    int own = open_under(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK, RESOLVE_NO_SYMLINKS);
    if (own < 0)
        return;
    bool is_null = fstat(own, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == null_device;
    for (int fd = 0; is_null && fd < 3; fd++) {
        if (fstat(fd, &status) < 0 || !S_ISCHR(status.st_mode) || status.st_rdev != null_device)
            continue;
        if (dup2(own, fd) < 0)
            fail(errno, "open the container's /dev/null", NULL);
    }
    if (is_null)
        fcntl(own, F_SETFL, O_RDWR);
    close(own);
}

/* The program may reopen /dev/stdout and friends by name, which asks for ownership.  Descriptors that may be
 * shared with others (regular files, /dev/null) stay as they are, and so does a terminal of the host's: it would
 * remain a host user's, who has the number by chance, and could read what is typed there. */
void give_stdio_to_user(const struct setup *setup)
{
    if (!setup->chown_stdio)
        return;
    for (int fd = 0; fd < 3; fd++) {
        struct stat status;
        if (fstat(fd, &status) < 0 || status.st_uid == setup->ids.uid)
            continue;
        bool own_terminal = setup->has_console && S_ISCHR(status.st_mode);
        if (!own_terminal && !S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode))
            continue;
        if (fchown(fd, setup->ids.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS &&
            errno != ENOSYS)
            fail(errno, "give stdio to the user", NULL);
    }
}
