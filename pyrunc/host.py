"""What this host, or this caller, cannot do of a checked configuration: for `validate`, which warns of it.

Each check yields (JSON pointer, message).  None is needed for `create` to be right: the kernel refuses what it
cannot do, one thing at a time, when it is done; here all of it is told before.
"""

import os
import resource
import socket
import stat

from pyrunc.errors import PyruncError
from pyrunc.kernel_calls import check_calls
from pyrunc.namespaces import TYPES
from pyrunc.resctrl import find_root
from pyrunc.rootless import refusals
from pyrunc.security.lsm import SELINUX_FS, apparmor_enabled
from pyrunc.spec.rules_linux import sysctl_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyrunc.facts import HostFacts

    Config = dict[str, Any]
    Warnings = Iterator[tuple[str, str]]

CAP_SYS_RESOURCE = 1 << 24
NO_FILE_SYSTEM = ("", "bind", "none", "cgroup")
# Hooks that run on the host's file system; those of startContainer are the container's.
HOST_HOOKS = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


def calls(config: "Config", facts: "HostFacts") -> "Warnings":
    """System calls that an old kernel or a seccomp filter refuses: no container can be made then."""
    if facts.calls_in_doubt:
        try:
            check_calls(mounting=True)
        except PyruncError as error:
            yield "", f"{error}: {error.hint}"


def namespaces(config: "Config", facts: "HostFacts") -> "Warnings":
    """Namespaces that the kernel was built without, and paths to join that lead nowhere."""
    entries = (config.get("linux") or {}).get("namespaces") or []
    for index, entry in enumerate(entries):
        path = entry.get("path")
        if path and not os.path.exists(path):
            yield f"/linux/namespaces/{index}/path", f"{path}: no such file or directory"
        elif not os.path.exists(f"/proc/self/ns/{TYPES[entry['type']][1]}"):
            yield f"/linux/namespaces/{index}", f"this kernel has no {entry['type']} namespaces"
    kinds = [entry["type"] for entry in entries]
    if "user" in kinds and text_of("/proc/sys/user/max_user_namespaces") == "0":
        yield f"/linux/namespaces/{kinds.index('user')}", "user.max_user_namespaces is 0 on this host"


def users(config: "Config", facts: "HostFacts") -> "Warnings":
    """What an ordinary user may not have in a container, and the user namespace that he needs."""
    if not facts.privileged:
        for pointer, _, reason, hint in refusals(config, facts.gid):
            yield pointer, f"{reason}: {hint}"


def mounts(config: "Config", facts: "HostFacts") -> "Warnings":
    """File systems that the kernel does not have (yet: it may load a module), and sources that are not there."""
    known = {line.split("\t")[-1] for line in text_of("/proc/filesystems").splitlines()}
    for index, mount in enumerate(config.get("mounts") or ()):
        options = mount.get("options") or []
        kind, source = mount.get("type") or "", mount.get("source") or ""
        if "bind" in options or "rbind" in options or kind == "bind":
            if source.startswith("/") and not os.path.exists(source):
                yield f"/mounts/{index}/source", f"{source}: no such file or directory"
        elif "remount" not in options and known and kind not in known and kind not in NO_FILE_SYSTEM:
            yield f"/mounts/{index}/type", f"this kernel has no file system {kind}, unless it is in a module"


def sysctls(config: "Config", facts: "HostFacts") -> "Warnings":
    """Sysctls that the kernel does not have; those of single network devices come with the device."""
    for name in (config.get("linux") or {}).get("sysctl") or {}:
        path = sysctl_path(name)
        if "/conf/" not in path and "/neigh/" not in path and not os.path.exists(f"/proc/sys/{path}"):
            yield "/linux/sysctl/" + name.replace("~", "~0").replace("/", "~1"), "this kernel has no such sysctl"


def labels(config: "Config", facts: "HostFacts") -> "Warnings":
    """Labels for security modules that the kernel does not enforce."""
    process = config.get("process") or {}
    if process.get("apparmorProfile") and not apparmor_enabled():
        yield "/process/apparmorProfile", "AppArmor is not enabled on this host"
    for pointer, label in (
        ("/process/selinuxLabel", process.get("selinuxLabel")),
        ("/linux/mountLabel", (config.get("linux") or {}).get("mountLabel")),
    ):
        if label and not os.path.isdir(SELINUX_FS):
            yield pointer, "SELinux is not enabled on this host"


def limits(config: "Config", facts: "HostFacts") -> "Warnings":
    """Limits that only CAP_SYS_RESOURCE may raise."""
    process = config.get("process") or {}
    may_raise = bool(facts.permitted & CAP_SYS_RESOURCE)
    for index, entry in enumerate(process.get("rlimits") or ()):
        own = resource.getrlimit(getattr(resource, entry["type"]))[1] if hasattr(resource, entry["type"]) else -1
        wanted = entry["hard"]
        if own != resource.RLIM_INFINITY and wanted > own and not may_raise:
            yield f"/process/rlimits/{index}/hard", f"{wanted} is above the caller's own limit {own}: not permitted"
        most = int(text_of("/proc/sys/fs/nr_open") or 0)
        if entry["type"] == "RLIMIT_NOFILE" and 0 < most < wanted:
            yield f"/process/rlimits/{index}/hard", f"{wanted} is above fs.nr_open, which is {most}: not permitted"
    score = process.get("oomScoreAdj")
    own_score = int(text_of("/proc/self/oom_score_adj") or 0)
    if score is not None and score < own_score and not may_raise:
        yield "/process/oomScoreAdj", f"{score} is below the caller's own, {own_score}: perhaps not permitted"


def hooks(config: "Config", facts: "HostFacts") -> "Warnings":
    """Hooks of the host that are not there or cannot be executed."""
    for kind in HOST_HOOKS:
        for index, hook in enumerate((config.get("hooks") or {}).get(kind) or ()):
            path = hook["path"]
            if not os.path.exists(path):
                yield f"/hooks/{kind}/{index}/path", f"{path}: no such file or directory"
            elif os.path.isdir(path) or not os.access(path, os.X_OK):
                yield f"/hooks/{kind}/{index}/path", f"{path}: cannot be executed"


def listener(config: "Config", facts: "HostFacts") -> "Warnings":
    """A seccomp agent that does not listen."""
    path = ((config.get("linux") or {}).get("seccomp") or {}).get("listenerPath")
    try:
        if path and not stat.S_ISSOCK(os.stat(path).st_mode):
            yield "/linux/seccomp/listenerPath", f"{path}: not a socket"
    except OSError:
        yield "/linux/seccomp/listenerPath", f"{path}: no such file or directory"


def network_devices(config: "Config", facts: "HostFacts") -> "Warnings":
    """Network devices that are not there, or not the caller's to move."""
    for name in (config.get("linux") or {}).get("netDevices") or {}:
        pointer = "/linux/netDevices/" + name.replace("~", "~0").replace("/", "~1")
        if not facts.privileged:
            yield pointer, "an ordinary user cannot move network devices"
        elif name not in [device for _, device in socket.if_nameindex()]:
            yield pointer, "there is no such device"


def resctrl(config: "Config", facts: "HostFacts") -> "Warnings":
    """A group in resctrl where there is no resctrl."""
    if (config.get("linux") or {}).get("intelRdt") is not None:
        try:
            find_root()
        except PyruncError as error:
            yield "/linux/intelRdt", error.reason


CHECKS = (calls, namespaces, users, mounts, sysctls, labels, limits, hooks, listener, network_devices, resctrl)


def text_of(path: str) -> str:
    """A small file of procfs; "" when there is none."""
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
