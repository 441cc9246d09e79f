"""Mounts of file systems of their own: tmpfs, devpts, mqueue, sysfs, proc, and whatever else the kernel knows."""

import posix
from errno import EPERM

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    FSCONFIG_CMD_CREATE,
    FSCONFIG_SET_FLAG,
    FSCONFIG_SET_STRING,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_RDONLY,
)
from pyrunc.operations.mount import Mount, apply_changes, beyond_private, set_propagation
from pyrunc.syscalls import fsconfig, fsmount, fsopen, mount_setattr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build
    from pyrunc.operations.mount import IdMap
    from pyrunc.operations.options import MountOptions


def context_log(fs_fd: int) -> str:
    """What the file system had to say about an error (the messages that wait on its context), "" if nothing."""
    lines: list[str] = []
    while True:
        try:
            line = posix.read(fs_fd, 4096).decode("utf-8", "replace").strip()
        except OSError:
            return "; ".join(lines)
        # "e tmpfs: Bad value for 'size'": e, w or i tells how grave it is.
        lines.append(line[2:] if line[1:2] == " " else line)


def make_mount(
    fstype: str, source: str, words: "list[tuple[str, str | None]]", attributes: int, *, read_only: bool = False
) -> int:
    """A detached mount of a new file system (fsopen(2) to fsmount(2)).

    words: what the file system is told; a word without a value is a flag
    Raises SystemCallError, with the file system's own messages as its detail.
    """
    fs_fd = fsopen(fstype)
    try:
        if source:
            fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source)
        if read_only:
            fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro")
        for key, value in words:
            fsconfig(fs_fd, FSCONFIG_SET_FLAG if value is None else FSCONFIG_SET_STRING, key, value)
        fsconfig(fs_fd, FSCONFIG_CMD_CREATE)
        return fsmount(fs_fd, attributes)
    except SystemCallError as error:
        error.detail = context_log(fs_fd)
        raise
    finally:
        posix.close(fs_fd)


LABELLED_LATER = frozenset(("mqueue",))
"""File systems whose files have labels of their own: the label of mounts is that of their root directory."""


def set_label(mount: int, label: str) -> None:
    """Gives the root directory of a mount an SELinux label (xattr(7)).  Raises OSError."""
    root = posix.open(".", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC, dir_fd=mount)
    try:
        posix.setxattr(root, "security.selinux", label.encode() + b"\0")
    finally:
        posix.close(root)


class FilesystemMount(Mount):
    """Mounts a new file system.

    late_read_only:  "ro" has to wait until everything below the mount is in place (see LateReadonly)
    late_label:      the SELinux label of its root, where the file system takes none for all of its files
    """

    __slots__ = (
        "attributes",
        "fstype",
        "late_label",
        "late_read_only",
        "mount",
        "source",
        "words",
    )

    def __init__(
        self,
        fstype: str,
        source: str,
        destination: str,
        options: "MountOptions",
        place: str = "",
        *,
        label: str = "",
        id_maps: "tuple[IdMap, IdMap] | None" = None,
    ) -> None:
        super().__init__(destination, options, place, strict=fstype in ("proc", "sysfs"), id_maps=id_maps)
        self.fstype = fstype
        self.source = source
        self.attributes = options.set | options.tree_set
        self.late_read_only = bool(self.attributes & MOUNT_ATTR_RDONLY) and (fstype == "tmpfs" or destination == "/dev")
        if self.late_read_only:
            self.attributes &= ~MOUNT_ATTR_RDONLY
        self.words = options.data
        # A mount's own context, which its options may name, is not to be contradicted.
        if label and fstype not in LABELLED_LATER and all(key != "context" for key, _value in options.data):
            self.words = [*options.data, ("context", label)]
        self.late_label = label if fstype in LABELLED_LATER else ""
        self.mount = -1

    def describe(self) -> str:
        return f"mount {self.fstype} on {self.destination}"

    def prepare(self, build: "Build") -> None:
        if self.id_maps is not None:
            self.mapping_userns(build)

    def perform(self, build: "Build") -> None:
        target, made = self.open_directory(build)
        try:
            if self.mount < 0:
                self.mount = build.keep(self.make(build, self.words_for(target, made)))
            self.finish(self.mount, target, made)
            self.attach(build, self.mount, target)
        finally:
            posix.close(target)

    def words_for(self, target: int, made: bool) -> "list[tuple[str, str | None]]":
        """What the file system is told.  A tmpfs without a mode gets that of the directory which it hides: that
        may be one that only root, or everybody, may write to."""
        if self.fstype == "tmpfs" and not made and all(key != "mode" for key, _value in self.words):
            return [("mode", f"{posix.stat(target).st_mode & 0o7777:o}"), *self.words]
        return self.words

    def make(self, build: "Build", words: "list[tuple[str, str | None]]") -> int:
        """The detached mount."""
        try:
            return make_mount(
                self.fstype,
                self.source,
                self.options.superblock_words() + words,
                self.attributes,
                read_only=bool(self.attributes & MOUNT_ATTR_RDONLY),
            )
        except SystemCallError as error:
            if error.errno == EPERM and build.in_userns:
                raise PyruncError(str(error), errno=EPERM, hint=HINTS.get(self.fstype, "")) from error
            raise

    def finish(self, mount: int, target: int, made: bool) -> None:
        """What is done to the mount once it exists.  A new one is private already, whatever kind was asked for."""
        if self.options.tmpcopyup and not made:
            from pyrunc.operations.copyup import copy_up

            copy_up(target, mount)
        if self.userns >= 0:
            mount_setattr(mount, AT_EMPTY_PATH, set=MOUNT_ATTR_IDMAP, userns_fd=self.userns)
        if self.late_label:
            set_label(mount, self.late_label)
        set_propagation(mount, beyond_private(self.options.propagation))


class ProcMount(FilesystemMount):
    """Mounts the procfs of the container's pid namespace, which the helper makes."""

    __slots__ = ()

    def make(self, build: "Build", words: "list[tuple[str, str | None]]") -> int:
        attributes = self.options.set | self.options.tree_set
        # As with others, "ro" is the file system's, too: whoever may change mounts cannot make it writable.
        mount = build.make_proc([("ro", None), *words] if attributes & MOUNT_ATTR_RDONLY else words)
        apply_changes(mount, [(False, attributes, self.options.clear, 0)])
        return mount


class LateReadonly(Operation):
    """Makes a mount read-only, now that everything below it has been made."""

    __slots__ = ("of",)
    after_hooks = True

    def __init__(self, of: FilesystemMount) -> None:
        super().__init__(of.place)
        self.of = of

    def describe(self) -> str:
        return f"make {self.of.destination} read-only"

    def perform(self, build: "Build") -> None:
        mount_setattr(self.of.mount, AT_EMPTY_PATH, set=MOUNT_ATTR_RDONLY)


HINTS = {
    "sysfs": "mounting sysfs in a user namespace needs a network namespace made with it; bind /sys instead",
    "mqueue": "mounting mqueue in a user namespace needs an ipc namespace made with it",
}
