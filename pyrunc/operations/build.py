"""The state that the operations of the file system stage share while they are performed."""

import posix
from errno import ELOOP

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.paths import O_PATH_DIRECTORY, open_in_root, open_or_make_directory
from pyrunc.syscalls import mount_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Build:
    """What the builder knows while it works.

    rootfs:       host path of the root file system (trusted)
    bundle:       host path of the bundle (trusted; relative mount sources start here)
    root:         O_PATH descriptor of the container's root mount, -1 until BindRoot was performed
    in_userns:    whether the container has a user namespace other than the runtime's
    userns_fd:    descriptor of the container's user namespace, -1 when it has none of its own
    make_proc:    mounts a procfs of the container's pid namespace with the given file system options
                  (key, value or None) and gives back its detached mount; the helper does it, since the
                  builder is not in that namespace
    make_userns:  a descriptor of a new user namespace with the given uid and gid mappings
                  (lists of (container id, host id, size))
    entered:      whether the container's mount namespace has been joined already when prepare() is called
    masked_dir:   the attached mount of the shared empty read-only directory, -1 until the first is needed
    null:         O_PATH descriptor of the container's own /dev/null, made and checked, -1 when it has none of its own
    masked_file:  the attached mount of a null device on the first masked file, -1 until there is one
    """

    __slots__ = (
        "_directories",
        "_kept",
        "bundle",
        "entered",
        "in_userns",
        "make_proc",
        "make_userns",
        "masked_dir",
        "masked_file",
        "null",
        "root",
        "rootfs",
        "userns_fd",
    )

    def __init__(
        self,
        rootfs: str,
        bundle: str,
        *,
        in_userns: bool = False,
        userns_fd: int = -1,
        make_proc: "Callable[[list[tuple[str, str | None]]], int]",
        make_userns: "Callable[[list[tuple[int, int, int]], list[tuple[int, int, int]]], int]",
    ) -> None:
        self.rootfs = rootfs
        self.bundle = bundle
        self.root = -1
        self.in_userns = in_userns
        self.userns_fd = userns_fd
        self.make_proc = make_proc
        self.make_userns = make_userns
        self.entered = False
        self.masked_dir = -1
        self.masked_file = -1
        self.null = -1
        self._kept: list[int] = []
        self._directories: dict[str, int] = {}

    @property
    def may_copy_early(self) -> bool:
        """Whether prepare() may copy mounts of the host.

        Those attributes of a host's mount that protect it (ro, nosuid, nodev, ...) are locked in a mount namespace
        that belongs to another user namespace, and in copies made there; a copy made outside could be made
        writable from within.
        """
        return self.entered or not self.in_userns

    def keep(self, fd: int) -> int:
        """Makes fd one of those that close() closes, and gives it back."""
        self._kept.append(fd)
        return fd

    def directory(self, path: str) -> int:
        """A descriptor of a directory in the root for devices, made where it is missing, opened once and kept.

        Only for when all mounts are in place: a later mount on it would not be seen.  A link of the image may lead into
        the image, but not into a volume: the container could not make devices there, and on the host they stay.
        """
        fd = self._directories.get(path, -1)
        if fd < 0:
            try:
                fd, _made = open_or_make_directory(self.root, path, strict=True)
            except SystemCallError as error:
                if error.errno != ELOOP:
                    raise
                fd = self._behind_link(path)
            self._directories[path] = self.keep(fd)
        return fd

    def _behind_link(self, path: str) -> int:
        """The directory that the image's links lead to."""
        fd = open_in_root(self.root, path, O_PATH_DIRECTORY)
        if mount_id(fd) != mount_id(self.root):
            posix.close(fd)
            raise PyruncError(f"{path} is, or is below, a link of the image that leads into another mount")
        return fd

    def close(self) -> None:
        """Closes everything that operations left open for later ones, the root among it."""
        for fd in self._kept:
            posix.close(fd)
        self._kept.clear()
        self._directories.clear()
        self.root = self.masked_dir = self.masked_file = self.null = -1
