"""Giving a container its own cgroup2 directory to manage (config-linux.md, "Cgroup ownership").

Only where the container cannot reach anything else: in its own cgroup namespace, with a writable cgroup mount.
"""

import posix

from pyrunc.cgroups.layout import read_text
from pyrunc.operations.base import Operation

# The kernel's list of what may be handed over; the fallback is what its documentation always had.
DELEGATE = "/sys/kernel/cgroup/delegate"
FALLBACK = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.operations.build import Build


def owner_of(config: "Mapping[str, Any]") -> "int | None":
    """The host uid of the container's process, if its cgroup is to be given to it; None to leave it alone."""
    linux = config.get("linux") or {}
    new = {entry["type"] for entry in linux.get("namespaces") or [] if not entry.get("path")}
    if "cgroup" not in new:
        return None
    if not any(is_writable_cgroup(mount) for mount in config.get("mounts") or []):
        return None
    uid: int = ((config.get("process") or {}).get("user") or {}).get("uid", 0)
    if "user" not in new:
        return uid or None
    for mapping in linux.get("uidMappings") or []:
        host: int = mapping["hostID"] + uid - mapping["containerID"]
        if 0 <= uid - mapping["containerID"] < mapping["size"]:
            return host
    return None


def is_writable_cgroup(mount: "Mapping[str, Any]") -> bool:
    """Whether an entry of mounts shows the container its cgroup to write in."""
    return (
        mount["destination"] == "/sys/fs/cgroup"
        and mount.get("type") in ("cgroup", "cgroup2")
        and "ro" not in (mount.get("options") or [])
    )


class DelegateCgroup(Operation):
    """Changes the owner of the directory and of the files that the kernel says may be delegated; no others."""

    __slots__ = ("directory", "paths", "uid")

    def __init__(self, directory: str, paths: "dict[str, str]", uid: int) -> None:
        super().__init__("process.user")
        self.directory = directory
        self.paths = paths
        self.uid = uid

    def describe(self) -> str:
        return f"give cgroup {self.directory} to uid {self.uid}"

    def perform(self, build: "Build | None") -> None:
        if self.directory not in self.paths.values():
            return  # rootless, and the directory could not be made
        if posix.geteuid() != 0:
            return  # a user owns already what he made, and can give nothing away
        posix.chown(self.directory, self.uid, -1, follow_symlinks=False)
        try:
            names = read_text(DELEGATE).split()
        except FileNotFoundError:
            names = list(FALLBACK)
        for name in names:
            try:
                posix.chown(f"{self.directory}/{name}", self.uid, -1, follow_symlinks=False)
            except FileNotFoundError:
                continue  # of a controller that is not enabled here
