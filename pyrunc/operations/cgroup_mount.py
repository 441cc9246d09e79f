"""The cgroup file systems of a container: mounts of type "cgroup", whatever the host has."""

import posix
from errno import EBUSY, EPERM

from pyrunc.errors import SystemCallError
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_REC,
    MS_SLAVE,
    OPEN_TREE_CLONE,
)
from pyrunc.operations.filesystem import make_mount
from pyrunc.operations.mount import Mount, beyond_private, set_propagation, takes_from_old
from pyrunc.operations.paths import O_PATH_DIRECTORY
from pyrunc.syscalls import mount_setattr, move_mount, open_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.cgroups.layout import Layout
    from pyrunc.operations.build import Build
    from pyrunc.operations.options import MountOptions

UNIFIED = "unified"
SYSTEMD = "systemd"

BASIC_ATTRIBUTES = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC


def bind_cgroup(path: str, attributes: int, kinds: "list[int]") -> int:
    """A detached bind of one directory of the host's cgroup file systems; kinds: the propagation asked for."""
    first = kinds[0] & ~MS_REC if kinds and not takes_from_old(kinds[0]) else MS_SLAVE
    mount = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE)
    try:
        mount_setattr(mount, AT_EMPTY_PATH, set=attributes, propagation=first)
        set_propagation(mount, kinds if first == MS_SLAVE else kinds[1:])
    except OSError:
        posix.close(mount)
        raise
    return mount


class Cgroup2Mount(Mount):
    """The cgroup2 hierarchy: from inside the container's cgroup namespace, else a bind of the host's.

    The bind is not only for want of rights: a new mount in the first cgroup namespace would reset the options
    (nsdelegate, ...) of the host's own.

    bound:     the host directory to bind when there is no own namespace, or the kernel refuses the mount
    own:       whether the container has a cgroup namespace
    """

    __slots__ = ("attributes", "bound", "own")

    def __init__(
        self, destination: str, options: "MountOptions", bound: str, place: str = "", *, own: bool, read_only: bool
    ) -> None:
        super().__init__(destination, options, place)
        self.attributes = options.set | options.tree_set | (MOUNT_ATTR_RDONLY if read_only else 0)
        self.bound = bound
        self.own = own

    def describe(self) -> str:
        return f"mount cgroup2 on {self.destination}" if self.own else f"bind {self.bound} on {self.destination}"

    def perform(self, build: "Build") -> None:
        target, _made = self.open_directory(build)
        try:
            mount = self._make()
            try:
                self.attach(build, mount, target)
            finally:
                posix.close(mount)
        finally:
            posix.close(target)

    def _make(self) -> int:
        if self.own:
            try:
                mount = make_mount("cgroup2", "cgroup", self.options.data, self.attributes)
            except SystemCallError as error:
                if error.errno not in (EPERM, EBUSY):
                    raise
            else:
                set_propagation(mount, beyond_private(self.options.propagation))
                return mount
        return bind_cgroup(self.bound, self.attributes, self.options.propagation)


class Hierarchy:
    """One v1 hierarchy (or the cgroup2 one of a hybrid host) for Cgroup1Mount.

    directory:    its name below the destination ("cpu,cpuacct")
    controllers:  what it has; the first letters of "systemd" stand for name=systemd, "unified" for cgroup2
    paths:        controller -> the container's own cgroup, on the host; one that a rootless user may not make is
                  dropped from it before the mount is made
    callers:      the runtime's cgroup, which is the container's then
    """

    __slots__ = ("callers", "controllers", "directory", "paths")

    def __init__(self, directory: str, controllers: list[str], paths: "dict[str, str]", callers: str) -> None:
        self.directory = directory
        self.controllers = controllers
        self.paths = paths
        self.callers = callers

    @property
    def bound(self) -> str:
        """The container's cgroup in it, on the host."""
        return self.paths.get(self.controllers[0]) or self.callers

    def mount(self, attributes: int) -> int:
        """A detached mount of it; in a cgroup namespace its root is the container's cgroup."""
        if self.controllers == [UNIFIED]:
            return make_mount("cgroup2", "cgroup", [], attributes)
        if self.controllers == [SYSTEMD]:
            return make_mount("cgroup", SYSTEMD, [("name", SYSTEMD)], attributes)
        return make_mount("cgroup", "cgroup", [(name, None) for name in self.controllers], attributes)


class Cgroup1Mount(Mount):
    """A tmpfs with one directory for each hierarchy of the host, as programs expect it at /sys/fs/cgroup."""

    __slots__ = ("attributes", "clones", "hierarchies", "label", "own", "read_only")

    def __init__(
        self,
        destination: str,
        options: "MountOptions",
        hierarchies: list[Hierarchy],
        place: str = "",
        *,
        own: bool,
        read_only: bool,
        label: str = "",
    ) -> None:
        super().__init__(destination, options, place)
        self.hierarchies = hierarchies
        self.own = own
        self.read_only = read_only or bool((options.set | options.tree_set) & MOUNT_ATTR_RDONLY)
        self.attributes = BASIC_ATTRIBUTES | (MOUNT_ATTR_RDONLY if self.read_only else 0)
        self.label = label
        self.clones: list[int] = []

    def describe(self) -> str:
        return f"mount {len(self.hierarchies)} cgroup hierarchies on {self.destination}"

    def prepare(self, build: "Build") -> None:
        if not self.own and build.may_copy_early:
            self.clones = [build.keep(self._bind(each)) for each in self.hierarchies]

    def perform(self, build: "Build") -> None:
        words: list[tuple[str, str | None]] = [("mode", "755")]
        if self.label:
            words.append(("context", self.label))
        target, _made = self.open_directory(build)
        try:
            tmpfs = make_mount("tmpfs", "tmpfs", words, BASIC_ATTRIBUTES)
            try:
                self.attach(build, tmpfs, target)
                set_propagation(tmpfs, beyond_private(self.options.propagation))
                for index, each in enumerate(self.hierarchies):
                    self._add(tmpfs, each, self.clones[index] if self.clones else -1)
                if self.read_only:
                    mount_setattr(tmpfs, AT_EMPTY_PATH, set=MOUNT_ATTR_RDONLY)
            finally:
                posix.close(tmpfs)
        finally:
            posix.close(target)

    def _bind(self, each: Hierarchy) -> int:
        return bind_cgroup(each.bound, self.attributes, self.options.propagation)

    def _add(self, tmpfs: int, each: Hierarchy, clone: int) -> None:
        mount = clone
        if mount < 0:
            mount = each.mount(self.attributes) if self.own else self._bind(each)
        try:
            if self.own:
                set_propagation(mount, beyond_private(self.options.propagation))
            posix.mkdir(each.directory, 0o755, dir_fd=tmpfs)
            point = posix.open(each.directory, O_PATH_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=tmpfs)
            try:
                move_mount(mount, point)
            finally:
                posix.close(point)
            if "," in each.directory:
                for name in each.directory.split(","):
                    posix.symlink(each.directory, name, dir_fd=tmpfs)
        finally:
            if clone < 0:
                posix.close(mount)


def hierarchies_of(layout: "Layout", paths: "dict[str, str]") -> list[Hierarchy]:
    """The hierarchies of a v1 or hybrid host, each once.  paths: controller -> the container's cgroup in it."""
    found: dict[str, Hierarchy] = {}
    for name, point in layout.hierarchies.items():
        if point in found:
            found[point].controllers.append(name)
        else:
            found[point] = Hierarchy(point.rpartition("/")[2], [name], paths, point + layout.own.get(name, "/"))
    return list(found.values())
