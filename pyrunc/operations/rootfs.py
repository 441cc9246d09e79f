"""The root file system as a whole: its mount, its propagation, its working directory."""

import posix
from errno import EINVAL, ENOENT, ENOTDIR

from pyrunc import pathnames
from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    MS_SLAVE,
    OPEN_TREE_CLONE,
)
from pyrunc.operations.mount import propagation_word
from pyrunc.operations.options import PROPAGATION
from pyrunc.operations.paths import open_or_make_directory
from pyrunc.syscalls import mount, mount_setattr, move_mount, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build


class SetPropagation(Operation):
    """Changes how the container's copy of the host's tree hangs together with the host's own.

    Without it whatever is mounted for the container would appear on the host as well.
    """

    __slots__ = ("flags",)

    def __init__(self, flags: int, place: str = "") -> None:
        super().__init__(place)
        self.flags = flags

    def describe(self) -> str:
        return f"make / {propagation_word(self.flags)}"

    def perform(self, build: "Build") -> None:
        mount("", "/", None, self.flags)


class BindRoot(Operation):
    """Makes the root file system a mount of its own, on itself, and so the place where all others go.

    Nothing that is mounted in it may travel to the host, whatever rootfsPropagation says: that is a matter
    of the time after pivot_root(2).
    """

    __slots__ = ("clone", "parent_may_be_shared", "propagation", "target")

    def __init__(self, propagation: int = MS_SLAVE, parent_may_be_shared: bool = False, place: str = "") -> None:
        super().__init__(place)
        self.propagation = propagation
        self.parent_may_be_shared = parent_may_be_shared
        self.clone = -1
        self.target = -1

    def describe(self) -> str:
        return "bind the root file system"

    def prepare(self, build: "Build") -> None:
        if build.may_copy_early:
            self.clone = self._open(build)
        if build.entered:
            self.target = self._open_target(build)

    def perform(self, build: "Build") -> None:
        if self.clone < 0:
            self.clone = self._open(build)
        mount_setattr(self.clone, AT_EMPTY_PATH | AT_RECURSIVE, propagation=self.propagation)
        if self.parent_may_be_shared:
            make_parent_private(build.rootfs)
        move_mount(self.clone, self.target if self.target >= 0 else self._open_target(build))
        build.root = self.clone

    def _open_target(self, build: "Build") -> int:
        return build.keep(posix.open(build.rootfs, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC))

    def _open(self, build: "Build") -> int:
        try:
            fd = build.keep(open_tree(AT_FDCWD, build.rootfs, OPEN_TREE_CLONE | AT_RECURSIVE))
        except SystemCallError as error:
            if error.errno == ENOENT:
                raise PyruncError(f"rootfs ({build.rootfs}): no such file or directory", errno=ENOENT) from error
            raise
        if posix.stat(fd).st_mode & 0o170000 != 0o040000:
            raise PyruncError(f"rootfs ({build.rootfs}) is not a directory", errno=ENOTDIR)
        return fd


def make_parent_private(path: str) -> None:
    """Makes the mount that `path` (on the host, trusted) lies on private: pivot_root(2) wants the new root's
    parent so, and else the new root would be mounted on the host as well."""
    path = pathnames.realpath(path)
    while True:
        try:
            mount("", path, None, MS_PRIVATE)
            return
        except SystemCallError as error:
            # EINVAL: not the root of a mount, so go up to where it is.
            if error.errno != EINVAL or path == "/":
                raise
        path = pathnames.dirname(path)


class MakeWorkingDirectory(Operation):
    """Makes process.cwd where the root file system lacks it, as engines expect."""

    __slots__ = ("path",)
    after_hooks = True

    def __init__(self, path: str, place: str = "") -> None:
        super().__init__(place)
        self.path = path

    def describe(self) -> str:
        return f"make the working directory {self.path}"

    def perform(self, build: "Build") -> None:
        fd, _made = open_or_make_directory(build.root, self.path)
        posix.close(fd)


class RootReadonly(Operation):
    """Makes the root mount itself read-only, not what is mounted below it."""

    __slots__ = ()
    after_hooks = True

    def describe(self) -> str:
        return "make the root file system read-only"

    def perform(self, build: "Build") -> None:
        mount_setattr(build.root, AT_EMPTY_PATH, set=MOUNT_ATTR_RDONLY)


def setup_propagation(rootfs_propagation: str) -> int:
    """The flags for "/" while the container is set up (MS_SLAVE | MS_REC when nothing was asked for).

    Unbindable mounts could not be bound while setting up: they are private until then.
    """
    if not rootfs_propagation:
        return MS_SLAVE | MS_REC
    flags = PROPAGATION[rootfs_propagation]
    if flags & ~MS_REC in (MS_SHARED, MS_SLAVE, MS_PRIVATE):
        return flags
    return MS_PRIVATE | flags & MS_REC
