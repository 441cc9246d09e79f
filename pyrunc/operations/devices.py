"""Device nodes and the links of /dev, all made in the descriptor of their directory."""

import posix
from errno import EPERM

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation
from pyrunc.operations.constants import AT_EMPTY_PATH, AT_FDCWD, OPEN_TREE_CLONE
from pyrunc.operations.paths import open_or_make_file
from pyrunc.syscalls import fchmod_path, fchownat, mount_id, move_mount, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build

TYPES = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}
"""S_IFCHR, S_IFBLK, S_IFIFO by the letters of config.json ("u": unbuffered, which is a character device)."""

NULL_DEVICE = posix.makedev(1, 3)

DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
)
"""The devices that every container gets (config-linux.md, Default Devices)."""

LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)


class MakeDevice(Operation):
    """Makes one device node or fifo, or binds the host's where nodes cannot be made.

    kind:  "c", "u", "b" or "p"
    bind:  bind the host's node of the same path: in a user namespace nobody may make one
    """

    __slots__ = ("bind", "device", "gid", "kind", "mode", "path", "uid")

    def __init__(
        self,
        path: str,
        kind: str,
        major: int,
        minor: int,
        place: str = "",
        *,
        mode: int = 0o666,
        uid: int = 0,
        gid: int = 0,
        bind: bool = False,
    ) -> None:
        super().__init__(place)
        self.path = path
        self.kind = kind
        self.device = 0 if kind == "p" else posix.makedev(major, minor)
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.bind = bind and kind != "p"

    def describe(self) -> str:
        if self.bind:
            return f"bind device {self.path}"
        return f"make device {self.path} {self._numbers(self.kind, self.device)} mode {self.mode:o}"

    def perform(self, build: "Build") -> None:
        if self.bind:
            self._bind(build)
            return
        parent, _slash, name = self.path.rpartition("/")
        directory = build.directory(parent or "/")
        there = False
        try:
            posix.mknod(name, TYPES[self.kind] | self.mode, self.device, dir_fd=directory)
        except FileExistsError:
            there = True
        except OSError as error:
            if error.errno == EPERM and self.kind != "p":
                self._bind(build)
                return
            raise SystemCallError(error.errno or 0, "mknodat", self.path) from error
        node = posix.open(name, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=directory)
        try:
            if there and mount_id(node) != mount_id(directory):
                return  # one of the mounts put it there: it is what is wanted, and the host's to own
            status = self._check(node, "there is already something else")
            if status.st_uid != self.uid or status.st_gid != self.gid:
                fchownat(node, "", self.uid, self.gid, AT_EMPTY_PATH)
            if status.st_mode & 0o7777 != self.mode:
                fchmod_path(node, self.mode)
            if self.path == "/dev/null" and self.device == NULL_DEVICE:
                build.null = build.keep(posix.dup(node))
        finally:
            posix.close(node)

    def _bind(self, build: "Build") -> None:
        source = open_tree(AT_FDCWD, self.path, OPEN_TREE_CLONE)
        try:
            self._check(source, "the host has something else")
            build.directory(self.path.rpartition("/")[0] or "/")  # is to be one where devices may be
            target = open_or_make_file(build.root, self.path, 0o644)
            try:
                move_mount(source, target)
            finally:
                posix.close(target)
        finally:
            posix.close(source)

    def _check(self, node: int, complaint: str) -> posix.stat_result:
        status = posix.stat(node)
        if status.st_mode & 0o170000 != TYPES[self.kind] or status.st_rdev != self.device:
            raise PyruncError(f"{self.path} is not the device {self._numbers(self.kind, self.device)}: {complaint}")
        return status

    @staticmethod
    def _numbers(kind: str, device: int) -> str:
        return "p" if kind == "p" else f"{kind} {posix.major(device)}:{posix.minor(device)}"


class MakeDeviceLinks(Operation):
    """Makes the links of /dev: fd, stdin, stdout, stderr, core where the host has /proc/kcore, and ptmx."""

    __slots__ = ()

    def describe(self) -> str:
        return "make the links in /dev"

    def perform(self, build: "Build") -> None:
        directory = build.directory("/dev")
        for name, target in LINKS:
            make_link(directory, name, target)
        if posix.access("/proc/kcore", posix.F_OK):
            make_link(directory, "core", "/proc/kcore")
        # Each container has its own pseudo-terminals: whatever is called ptmx must lead to those.
        try:
            posix.unlink("ptmx", dir_fd=directory)
        except FileNotFoundError:
            pass
        posix.symlink("pts/ptmx", "ptmx", dir_fd=directory)


def make_link(directory: int, name: str, target: str) -> None:
    """Makes a link unless the name is taken."""
    try:
        posix.symlink(target, name, dir_fd=directory)
    except FileExistsError:
        pass
