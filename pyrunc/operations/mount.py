"""What all mounts have in common: a destination in the root, made if it is missing, and the rules for /proc."""

import posix
from errno import ENOTDIR

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MS_REC,
    MS_SHARED,
    MS_UNBINDABLE,
    PROC_SUPER_MAGIC,
)
from pyrunc.operations.options import PROPAGATION, change
from pyrunc.operations.paths import (
    O_PATH_DIRECTORY,
    S_IFDIR,
    S_IFMT,
    open_in_root,
    open_or_make_directory,
    open_or_make_file,
)
from pyrunc.syscalls import fstatfs_type, mount_setattr, move_mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build
    from pyrunc.operations.options import MountOptions

    IdMap = list[tuple[int, int, int]]

    Change = tuple[bool, int, int, int]
    """One mount_setattr(2): the whole tree?, attributes to set, to clear, propagation (0: as it is)."""

LXCFS_FILES = (
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
)
"""The only files of /proc that may be mounted over: lxcfs shows the container's own numbers there."""

LOCKABLE = (
    (MOUNT_ATTR_RDONLY, "ro", posix.ST_RDONLY),
    (MOUNT_ATTR_NOSUID, "nosuid", posix.ST_NOSUID),
    (MOUNT_ATTR_NODEV, "nodev", posix.ST_NODEV),
    (MOUNT_ATTR_NOEXEC, "noexec", posix.ST_NOEXEC),
    (MOUNT_ATTR_NOATIME, "noatime", posix.ST_NOATIME),
    (MOUNT_ATTR_NODIRATIME, "nodiratime", posix.ST_NODIRATIME),
    (MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow", 0x2000),
)
"""MOUNT_ATTR_*, its word, and how statfs(2) shows it."""


def propagation_word(flags: int) -> str:
    """The option that asks for these propagation flags."""
    return next(word for word, value in PROPAGATION.items() if value == flags)


class Mount(Operation):
    """A mount on a destination inside the root.

    strict:   the destination may be reached through no link: what others rely on being there must be there
    id_maps:  (uid map, gid map) of an idmapped mount; empty maps mean those of the container's user namespace
    attached: descriptor of the mount once it is there, -1 before
    """

    __slots__ = ("attached", "destination", "id_maps", "options", "strict", "userns")

    def __init__(
        self,
        destination: str,
        options: "MountOptions",
        place: str = "",
        *,
        strict: bool = False,
        id_maps: "tuple[IdMap, IdMap] | None" = None,
    ) -> None:
        super().__init__(place)
        self.destination = destination
        self.options = options
        self.strict = strict
        self.id_maps = id_maps
        self.attached = self.userns = -1

    def reserve(self, build: "Build") -> None:
        """Makes the user namespace for mappings of the mount's own, which takes a process: see builder.work."""
        if self.id_maps and self.id_maps[0] and self.userns < 0:
            self.userns = build.keep(build.make_userns(*self.id_maps))

    def mapping_userns(self, build: "Build") -> int:
        """The user namespace that has the mappings of an idmapped mount."""
        self.reserve(build)
        if self.userns < 0:
            if build.userns_fd < 0:
                raise PyruncError("an idmapped mount without mappings needs a user namespace of the container's own")
            self.userns = build.userns_fd
        return self.userns

    def open_directory(self, build: "Build") -> tuple[int, bool]:
        """The destination as a directory, and whether it had to be made."""
        try:
            return open_or_make_directory(build.root, self.destination, strict=self.strict)
        except SystemCallError as error:
            if self.strict:
                raise PyruncError(
                    f"{self.destination} must be an ordinary directory, reached through no link: {error}",
                    errno=error.errno or 0,
                ) from error
            raise

    def open_file(self, build: "Build") -> int:
        """The destination as anything but a directory."""
        fd = open_or_make_file(build.root, self.destination)
        if posix.stat(fd).st_mode & S_IFMT == S_IFDIR:
            posix.close(fd)
            raise SystemCallError(ENOTDIR, "mount a file on", self.destination)
        return fd

    def attach(self, build: "Build", mount: int, target: int) -> None:
        """Mounts `mount` on the descriptor `target`, and keeps the root the root when that is what was covered."""
        self.refuse_proc(build, target)
        move_mount(mount, target)
        self.attached = mount
        if self.destination == "/":
            build.root = build.keep(posix.dup(mount))

    def refuse_proc(self, build: "Build", target: int) -> None:
        """Refuses a target that turned out, by way of a link, to be in the procfs on the container's /proc."""
        if fstatfs_type(target) != PROC_SUPER_MAGIC or self.destination == "/proc" or self.destination in LXCFS_FILES:
            return
        proc = open_in_root(build.root, "/proc", O_PATH_DIRECTORY)
        try:
            # Not by the mount: read-only paths in a procfs are mounts of their own.
            if posix.stat(proc).st_dev == posix.stat(target).st_dev:
                raise PyruncError(f'"{self.destination}" cannot be mounted because it is inside /proc')
        finally:
            posix.close(proc)


def check_destination(destination: str, fstype: str, bind: bool) -> None:
    """Refuses mounts over /proc and below it: whoever reads or writes there must meet the kernel.

    A bind on /proc itself is left to prepare(), which sees what is bound.
    """
    if destination == "/proc":
        if not bind and fstype != "proc":
            raise PyruncError(f'"{destination}" cannot be mounted because it is not of type proc')
    elif destination.startswith("/proc/") and destination not in LXCFS_FILES:
        raise PyruncError(f'"{destination}" cannot be mounted because it is inside /proc')


def check_proc_source(source: int, destination: str) -> None:
    """What is bound on /proc must be a procfs, and its root."""
    if fstatfs_type(source) != PROC_SUPER_MAGIC or posix.stat(source).st_ino != 1:
        raise PyruncError(f'"{destination}" cannot be mounted because it is not of type proc')


def changes(options: "MountOptions", inherited: int = 0) -> "list[Change]":
    """The fewest mount_setattr(2) calls that do what the options ask for.

    inherited: propagation flags for the whole tree before any that the options name
    """
    tree = options.recursive
    result: list[Change] = []
    wanted = [inherited] if inherited else []
    wanted += options.propagation
    if len(wanted) > 1 and wanted[1] & MS_REC and (wanted[1] == wanted[0] or not takes_from_old(wanted[1])):
        wanted.pop(0)
    if options.tree_set or options.tree_clear:
        add_change(result, (tree, options.tree_set, options.tree_clear, 0))
    for flags in wanted:
        add_change(result, (tree and bool(flags & MS_REC), 0, 0, flags & ~MS_REC))
    if options.set or options.clear:
        add_change(result, (False, options.set, options.clear, 0))
    return result


def takes_from_old(propagation: int) -> bool:
    """Whether the outcome of this propagation change depends on what there was before (private ones do not)."""
    return propagation & ~MS_REC not in (PROPAGATION["private"], PROPAGATION["unbindable"])


def add_change(result: "list[Change]", later: "Change") -> None:
    """Adds a change to the list, as part of the last one if they can be one call."""
    if result:
        tree, set, clear, propagation = result[-1]
        if tree == later[0] and not (propagation and later[3]):
            result[-1] = (tree, *change(set, clear, later[1], later[2]), propagation or later[3])
            return
    result.append(later)


def apply_changes(mount: int, wanted: "list[Change]") -> None:
    """Performs what changes() gave, on a mount's descriptor."""
    for tree, set, clear, propagation in wanted:
        flags = AT_EMPTY_PATH | AT_RECURSIVE if tree else AT_EMPTY_PATH
        try:
            mount_setattr(mount, flags, set, clear, propagation)
        except SystemCallError as error:
            locked = locked_attributes(mount, set, clear)
            if locked:
                raise PyruncError(
                    f"cannot clear {', '.join(locked)}: locked by the user namespace that the mount comes from",
                    errno=error.errno or 0,
                ) from error
            raise


def set_propagation(mount: int, kinds: "list[int]") -> None:
    """Changes the propagation of one mount, in this order."""
    for flags in kinds:
        mount_setattr(mount, AT_EMPTY_PATH, propagation=flags & ~MS_REC)


def beyond_private(kinds: "list[int]") -> "list[int]":
    """What is left to change on a new mount, which is private."""
    return [flags for flags in kinds if flags & (MS_SHARED | MS_UNBINDABLE)]


def locked_attributes(mount: int, set: int, clear: int) -> list[str]:
    """Those attributes that were to be cleared and that the mount still has."""
    present = posix.fstatvfs(mount).f_flag
    if clear & MOUNT_ATTR__ATIME:
        clear = clear & ~MOUNT_ATTR__ATIME | MOUNT_ATTR_NOATIME & ~set
    return [word for bit, word, shown in LOCKABLE if clear & bit and present & shown]
