"""The directories and files that a restored container's mounts go on, made where the root file system lacks them.

CRIU makes the mounts of a container, but on what is there.  A root file system that is not the one of the checkpoint
(a migrated container has that of its image) may lack what pyrunc had made in the other.
"""

import os

from pyrunc.checkpoint.externals import binds_of
from pyrunc.operations.mount import Mount
from pyrunc.operations.paths import O_PATH_DIRECTORY, open_or_make_directory, open_or_make_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyrunc.operations.base import Operation


class Point:
    """One mount point.

    base:   the host's directory that it is looked up in, "" for the root file system
    path:   below base
    source: what is bound on it, whose type it must have; "" for a file system
    """

    __slots__ = ("base", "path", "source")

    def __init__(self, base: str, path: str, source: str) -> None:
        self.base = base
        self.path = path
        self.source = source


def points(operations: "Iterable[Operation]") -> "list[Point]":
    """The mount points of the operations, but for those on file systems whose contents CRIU restores itself."""
    operations = list(operations)
    sources = {bind.destination: bind.source for bind in binds_of(operations)}
    mounts = [step.destination for step in operations if isinstance(step, Mount)]
    found = []
    for destination in dict.fromkeys([*mounts, *sources]):
        above = [mount for mount in mounts if destination.startswith(mount.rstrip("/") + "/") and mount != destination]
        cover = max(above, key=len, default="")
        if not cover:
            found.append(Point("", destination, sources.get(destination, "")))
        elif cover in sources:
            found.append(Point(sources[cover], destination[len(cover) :], sources.get(destination, "")))
    return found


def perform(wanted: "Iterable[Point]", rootfs: str) -> None:
    """Makes those that are missing.  Raises OSError and PyruncError."""
    for point in wanted:
        base = os.open(point.base or rootfs, O_PATH_DIRECTORY | os.O_CLOEXEC)
        try:
            if point.source and not os.path.isdir(point.source):
                os.close(open_or_make_file(base, point.path))
            else:
                os.close(open_or_make_directory(base, point.path)[0])
        finally:
            os.close(base)
