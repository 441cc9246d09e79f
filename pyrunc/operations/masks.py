"""Hiding paths of the container and making some read-only, each on the one descriptor that was looked up."""

import posix
from errno import ENOENT

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLONE,
)
from pyrunc.operations.devices import NULL_DEVICE
from pyrunc.operations.filesystem import make_mount
from pyrunc.operations.paths import S_IFDIR, S_IFMT, open_in_root
from pyrunc.syscalls import mount_setattr, move_mount, open_tree

S_IFCHR = 0o020000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build


def open_host_null() -> int:
    """An O_PATH descriptor of the host's /dev/null, which must be just that.

    A mask that binds something else, because the container exchanged its own /dev/null, would open a door
    (CVE-2025-31133); a mask that is left out for want of a /dev/null would leave one open.
    """
    fd = posix.open("/dev/null", posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    status = posix.stat(fd)
    if status.st_mode & S_IFMT != S_IFCHR or status.st_rdev != NULL_DEVICE:
        posix.close(fd)
        raise PyruncError("/dev/null of the host is not the null device (1:3)")
    return fd


def null_mount(build: "Build") -> int:
    """A detached mount of a null device: of the node that was made for the container, else of the host's.

    The host's is read-only, which forbids to change its mode or owner, not to write to the device.
    """
    if build.null >= 0:
        return open_tree(build.null, "", AT_EMPTY_PATH | OPEN_TREE_CLONE)
    null = open_host_null()
    try:
        mount = open_tree(null, "", AT_EMPTY_PATH | OPEN_TREE_CLONE)
    finally:
        posix.close(null)
    try:
        mount_setattr(mount, AT_EMPTY_PATH, set=MOUNT_ATTR_RDONLY)
    except OSError:
        posix.close(mount)
        raise
    return mount


class MaskPath(Operation):
    """Hides a file under a null device, or a directory under an empty read-only one; what is missing needs no mask.

    All masks are copies of the first of their kind: to make that costs more than all the rest.
    """

    __slots__ = ("label", "path")
    after_hooks = True

    def __init__(self, path: str, place: str = "", *, label: str = "") -> None:
        super().__init__(place)
        self.path = path
        self.label = label

    def describe(self) -> str:
        return f"mask {self.path}"

    def perform(self, build: "Build") -> None:
        target = open_if_there(build.root, self.path)
        if target < 0:
            return
        try:
            if posix.stat(target).st_mode & S_IFMT == S_IFDIR:
                if build.masked_dir >= 0:
                    attach_copy(build.masked_dir, target)
                else:
                    mount = build.keep(self._empty_directory())
                    move_mount(mount, target)
                    build.masked_dir = mount
            elif build.masked_file >= 0:
                attach_copy(build.masked_file, target)
            else:
                mount = build.keep(null_mount(build))
                move_mount(mount, target)
                build.masked_file = mount
        finally:
            posix.close(target)

    def _empty_directory(self) -> int:
        words: list[tuple[str, str | None]] = [("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "755")]
        if self.label:
            words.append(("context", self.label))
        return make_mount("tmpfs", "tmpfs", words, MOUNT_ATTR_RDONLY, read_only=True)


class ReadonlyPath(Operation):
    """Makes a file or a directory with all that is mounted below it read-only."""

    __slots__ = ("path",)
    after_hooks = True

    def __init__(self, path: str, place: str = "") -> None:
        super().__init__(place)
        self.path = path

    def describe(self) -> str:
        return f"make {self.path} read-only"

    def perform(self, build: "Build") -> None:
        target = open_if_there(build.root, self.path)
        if target < 0:
            return
        try:
            mount = open_tree(target, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE)
            try:
                mount_setattr(mount, AT_EMPTY_PATH | AT_RECURSIVE, set=MOUNT_ATTR_RDONLY)
                move_mount(mount, target)
            finally:
                posix.close(mount)
        finally:
            posix.close(target)


def attach_copy(mount: int, target: int) -> None:
    """Mounts what is mounted elsewhere in the container once more."""
    copy = open_tree(mount, "", AT_EMPTY_PATH | OPEN_TREE_CLONE)
    try:
        move_mount(copy, target)
    finally:
        posix.close(copy)


def open_if_there(root: int, path: str) -> int:
    """A descriptor of what is at the path in the root, -1 when there is nothing to hide or to protect."""
    try:
        return open_in_root(root, path)
    except SystemCallError as error:
        if error.errno == ENOENT:
            return -1
        raise
