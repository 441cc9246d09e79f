"""--no-pivot: nothing of the host's kernel interfaces may remain below the root that is merely moved over "/".

A root moved over "/" covers the host's tree but does not take it away.  procfs and sysfs that are fully visible
there would let root of the container mount new, unrestricted ones, and whoever reaches the covered tree would find
them.  So those mounts go first, as with runc.
"""

from errno import EINVAL, EPERM

from pyrunc.cgroups.layout import lines_of, read_text, unescape
from pyrunc.operations.base import Operation
from pyrunc.syscalls import mount, umount2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build

MNT_DETACH = 2
MS_RDONLY = 1
HIDDEN_TYPES = ("proc", "sysfs")


class HideHostInterfaces(Operation):
    """Unmounts the host's procfs and sysfs in the container's mount namespace, or covers them where that is refused."""

    __slots__ = ()
    # createContainer hooks are programs of the host and expect its /proc.
    after_hooks = True

    def describe(self) -> str:
        return "hide the host's procfs and sysfs"

    def perform(self, build: "Build") -> None:
        for target in reversed(interfaces(read_text("/proc/thread-self/mountinfo"), build.rootfs)):
            try:
                umount2(target, MNT_DETACH)
            except OSError as error:
                # Locked mounts of another user namespace cannot be taken away, only covered.
                if error.errno not in (EINVAL, EPERM):
                    raise
                mount("tmpfs", target, "tmpfs", MS_RDONLY, "size=4k,mode=000")


def interfaces(mountinfo: str, rootfs: str) -> "list[str]":
    """The mount points of all procfs and sysfs outside of rootfs, in the order of their mounting."""
    found = []
    for line in lines_of(mountinfo):
        fields = line.split(" ")
        target = unescape(fields[4])
        if fields[fields.index("-") + 1] in HIDDEN_TYPES and target != rootfs and not target.startswith(f"{rootfs}/"):
            found.append(target)
    return found
