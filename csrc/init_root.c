/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The old root is put over the new one and then taken away, so no directory is needed for it.  It becomes a
 * slave first: the unmount must not travel to the host. */
static void pivot(int root_fd)
{
    int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0)
        fail(errno, "open the old root", NULL);
    if (fchdir(root_fd) < 0)
        fail(errno, "enter the root", NULL);
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        fail(errno, "pivot_root", NULL);
    if (fchdir(old) < 0)
        fail(errno, "enter the old root", NULL);
    if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        fail(errno, "make the old root a slave", NULL);
    if (umount2(".", MNT_DETACH) < 0)
        fail(errno, "unmount the old root", NULL);
    close(old);
}

static void move(int root_fd)
{
    if (fchdir(root_fd) < 0)
        fail(errno, "enter the root", NULL);
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
        fail(errno, "move the root to /", NULL);
    if (chroot(".") < 0)
        fail(errno, "chroot", NULL);
}

static void change_root(int root_fd)
{
    if (fchdir(root_fd) < 0)
        fail(errno, "enter the root", NULL);
    if (chroot(".") < 0)
        fail(errno, "chroot", NULL);
}

void switch_root(const struct setup *setup)
{
    if (setup->root_kind == 0)
        return;
    if (setup->root_kind == FD_PIVOT)
        pivot(setup->root_fd);
    else if (setup->root_kind == FD_MOVE)
        move(setup->root_fd);
    else
        change_root(setup->root_fd);
    close(setup->root_fd);
    if (chdir("/") < 0)
        fail(errno, "enter the new root", NULL);
    if (setup->has_propagation && mount(NULL, "/", NULL, setup->propagation, NULL) < 0)
        fail(errno, "set rootfsPropagation", NULL);
}
