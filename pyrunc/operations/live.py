"""Mounts of a container that runs: what can be added, and taking one away by its descriptor.

In the container's mount namespace no path means what it means on the host, procfs paths among them.  So what is
mounted is made before that namespace is entered, and unmounting goes through a descriptor of our own: umount2(2)
takes nothing but a path, which is then a number in the host's /proc/self/fd, our working directory.
"""

import posix
from errno import EBUSY, EINVAL, ELOOP, ENOENT

from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.operations.base import Operation
from pyrunc.operations.constants import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MS_PRIVATE,
    OPEN_TREE_CLONE,
)
from pyrunc.operations.filesystem import FilesystemMount
from pyrunc.operations.mount import LXCFS_FILES, Mount
from pyrunc.operations.options import parse_options
from pyrunc.operations.paths import open_in_root
from pyrunc.operations.plan import clean, plan_mounts
from pyrunc.pathnames import dirname
from pyrunc.syscalls import mount_id, mount_setattr, move_mount, open_tree, umount2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from pyrunc.cgroups.layout import Layout
    from pyrunc.operations.build import Build

    Config = dict[str, Any]

MNT_DETACH = 2
MNT_EXPIRE = 4

MADE_INSIDE = frozenset(("devpts", "mqueue", "ramfs", "sysfs", "tmpfs"))
"""File systems of the namespaces that make them, which look up no path.  All others are made on the host."""

MAX_LAYERS = 100
"""How many mounts that the container puts over one that is to go are unmounted with it."""


def plan_added(
    mounts: "list[Config]", config: "Config", *, bundle: str, layout: "Layout", has_own: "Collection[str]"
) -> "list[Operation]":
    """The operations that add these mounts, in order.  Raises PyruncError for what only `create` can do."""
    for index, mount in enumerate(mounts):
        reason = why_not(mount)
        if reason:
            raise PyruncError(reason, place=f"mounts[{index}] ({mount['destination']})")
    return plan_mounts(mounts, config, bundle=bundle, layout=layout, has_own=has_own)


def why_not(mount: "Config") -> str:
    """Why this mount cannot be added to a container that is there, "" if it can."""
    options = parse_options(mount.get("options") or [])
    fstype = mount.get("type") or ""
    if clean(mount["destination"]) == "/":
        return "the root of a container cannot be mounted over"
    if options.remount:
        return "remount changes a mount and adds none"
    if options.bind or fstype == "bind":
        return ""
    if fstype in ("proc", "cgroup"):
        return f"a mount of type {fstype} can only be made when the container is created"
    if options.beyond_fsconfig:
        return "silent, iversion and values of more than 255 bytes are only possible when the container is created"
    return ""


class MakeOutside(Operation):
    """Makes the file system of a mount while "/" is the host's: its source, or an option, may be a path."""

    __slots__ = ("of",)

    def __init__(self, of: FilesystemMount) -> None:
        super().__init__(of.place)
        self.of = of

    def describe(self) -> str:
        return self.of.describe()

    def perform(self, build: "Build") -> None:
        self.of.mount = build.keep(self.of.make(build, self.of.words))


def made_outside(operations: "Sequence[Operation]") -> "list[MakeOutside]":
    """The part of these operations that has to be done before the container is entered."""
    return [
        MakeOutside(operation)
        for operation in operations
        if isinstance(operation, FilesystemMount) and operation.fstype not in MADE_INSIDE
    ]


class Unmount(Operation):
    """Unmounts what is mounted on `destination`, with all that is mounted in it.

    keep_copy: a copy is kept until the end, from which restore() puts it back
    """

    __slots__ = ("copy", "destination", "found", "keep_copy", "unmounted")

    def __init__(self, destination: str, place: str, *, keep_copy: bool) -> None:
        super().__init__(place)
        self.destination = destination
        self.keep_copy = keep_copy
        self.found = self.copy = -1
        self.unmounted = False

    def describe(self) -> str:
        return f"unmount {self.destination}"

    def prepare(self, build: "Build") -> None:
        """Finds the mount.  No link is followed: the container could have put one that leads to another mount."""
        try:
            self.found = build.keep(open_in_root(build.root, self.destination, strict=True))
            parent = open_in_root(build.root, dirname(self.destination), strict=True)
        except SystemCallError as error:
            if error.errno == ELOOP:
                raise PyruncError(
                    f"{self.destination} is reached through a link",
                    hint="name the place itself, as the container's /proc/self/mountinfo has it",
                    errno=ELOOP,
                ) from error
            if error.errno == ENOENT:
                raise PyruncError(f"{self.destination} does not exist", errno=ENOENT) from error
            raise
        try:
            if mount_id(parent) == mount_id(self.found):
                raise PyruncError(f"{self.destination} is not a mount point", errno=EINVAL)
        finally:
            posix.close(parent)
        refuse_locked(self.found, self.destination)
        if self.keep_copy:
            try:
                self.copy = build.keep(open_tree(self.found, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH))
            except SystemCallError as error:
                if error.errno == EINVAL:
                    error.detail = "an unbindable mount can only be removed alone"
                raise

    def perform(self, build: "Build") -> None:
        if self.found < 0:
            self.prepare(build)  # now that the one over it is gone
        unmount(self.found, self.destination)
        self.unmounted = True

    def restore(self, build: "Build") -> None:
        """Puts it back."""
        if self.unmounted:
            target = open_in_root(build.root, self.destination, strict=True)
            try:
                move_mount(self.copy, target)
            finally:
                posix.close(target)


def take_back(operations: "Sequence[Operation]", build: "Build") -> "list[str]":
    """Undoes what these operations have done, the last first.  Returns what could not be undone, in words."""
    failures: list[str] = []
    for operation in reversed(operations):
        try:
            if isinstance(operation, Unmount):
                operation.restore(build)
            elif isinstance(operation, Mount) and operation.attached >= 0:
                unmount(operation.attached, operation.destination)
        except (OSError, PyruncError) as error:
            failures.append(f"{operation.describe()} is not undone: {error}")
    return failures


def refuse_locked(mount: int, name: str) -> None:
    """Raises PyruncError when a mount cannot be unmounted alone (mount_namespaces(7)), having changed nothing.

    Asked to let it expire, the kernel says EINVAL for such a mount, and for all others that we have it open.
    """
    try:
        umount2(str(mount), MNT_EXPIRE)
    except SystemCallError as error:
        if error.errno == EINVAL:
            raise locked(name) from error
        if error.errno != EBUSY:
            raise


def locked(name: str) -> PyruncError:
    """The error for a mount that came into a user namespace as part of another."""
    return PyruncError(f"{name} came along with the mount that it is in, and goes with that", errno=EINVAL)


def unmount(mount: int, name: str) -> None:
    """Unmounts exactly this mount (a descriptor of its root) and what is in it and on it, of the present namespace.

    The working directory must be /proc/self/fd of the host's procfs.  Raises SystemCallError, PyruncError.
    """
    # What is mounted in it as a copy of the host's, and tied to it, must stay on the host.
    mount_setattr(mount, AT_EMPTY_PATH | AT_RECURSIVE, propagation=MS_PRIVATE)
    # The kernel takes the topmost mount at that place.  That it is another one, which the container has put there,
    # shows in ours being there still; of one that is gone the call says EINVAL.
    for layer in range(MAX_LAYERS):
        try:
            umount2(str(mount), MNT_DETACH)
        except SystemCallError as error:
            if error.errno != EINVAL:
                raise
            if layer:
                return
            raise locked(name) from error
    raise PyruncError(f"something is mounted on {name} again and again")


def why_kept(destination: str, config: "Config") -> str:
    """Why the mount on this (clean) destination may not be removed, "" if it may: it protects the host."""
    if destination == "/":
        return "it is the root of the container"
    if destination == "/proc" or (destination.startswith("/proc/") and destination not in LXCFS_FILES):
        return "what is mounted on /proc and in it stays"
    linux = config.get("linux") or {}
    for name in ("maskedPaths", "readonlyPaths"):
        if any(clean(path) == destination for path in linux.get(name) or []):
            return f"it is one of linux.{name}"
    return ""
