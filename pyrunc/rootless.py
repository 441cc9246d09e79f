"""Containers of an ordinary user: what their configuration needs, and why the kernel refuses a user namespace."""

import posix
from errno import EACCES, ENOSPC, EPERM, EUSERS

from pyrunc.errors import PyruncError
from pyrunc.facts import read
from pyrunc.namespaces import mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Config = dict[str, Any]
    Refusal = tuple[str, str, str, str]

GROUPS_DENIED = "cannot set any additional groups in a rootless container"
GROUPS_HINT = "map more groups than the user's own, which takes a range in /etc/subgid: then groups can be set"
CGROUP_HINT = (
    "on cgroup v2 a user may make cgroups below one that is delegated to him:"
    " systemd-run --user --scope -p Delegate=yes pyrunc ..."
)


def check(config: "Config", gid: int) -> None:
    """Raises PyruncError for what a configuration lacks, or must not have, when an ordinary user runs it.

    gid: his effective group
    """
    for _, place, reason, hint in refusals(config, gid):
        raise PyruncError(reason, place=place, hint=hint)


def refusals(config: "Config", gid: int) -> "Iterator[Refusal]":
    """What `check` refuses: (JSON pointer, place, reason, hint)."""
    linux = config.get("linux") or {}
    kinds = {entry["type"]: entry.get("path") or "" for entry in linux.get("namespaces") or ()}
    if "user" not in kinds:
        hint = 'add {"type": "user"} with uidMappings and gidMappings: `pyrunc spec --rootless` shows how'
        yield "/linux/namespaces", "linux.namespaces", "rootless container requires user namespaces", hint
        return
    yield from idmapped_mounts(config)
    if kinds["user"]:
        return  # what is mapped there is known when it is joined
    yield from unmapped_mount_options(config)
    user = (config.get("process") or {}).get("user") or {}
    if user.get("additionalGids") and is_own(mappings(linux.get("gidMappings")), gid):
        pointer = "/process/user/additionalGids"
        yield pointer, "process.user.additionalGids", GROUPS_DENIED, GROUPS_HINT


def idmapped_mounts(config: "Config") -> "Iterator[Refusal]":
    """Mounts that only root may make, in a user namespace that is joined, too."""
    for index, mount in enumerate(config.get("mounts") or ()):
        options = mount.get("options") or ()
        if mount.get("uidMappings") or "idmap" in options or "ridmap" in options:
            place = f"mounts[{index}] ({mount['destination']})"
            reason = "idmapped mounts are not possible in rootless containers"
            hint = "only who has privileges over the whole file system may map its ids"
            yield f"/mounts/{index}", place, reason, hint


def unmapped_mount_options(config: "Config") -> "Iterator[Refusal]":
    """uid= and gid= of a file system must be ids that the container has."""
    linux = config["linux"]
    maps = {"uid": mappings(linux.get("uidMappings")), "gid": mappings(linux.get("gidMappings"))}
    for index, mount in enumerate(config.get("mounts") or ()):
        for option in mount.get("options") or ():
            name, equals, digits = option.partition("=")
            if not equals or name not in maps or not (digits.isascii() and digits.isdigit()):
                continue
            if not is_mapped(int(digits), maps[name]):
                place = f"mounts[{index}] ({mount['destination']})"
                reason = f"cannot specify {name}= mount options for unmapped {name} in rootless containers: {option}"
                yield (
                    f"/mounts/{index}/options",
                    place,
                    reason,
                    f"leave it out, or map {digits} by linux.{name}Mappings",
                )


def is_mapped(id: int, maps: "list[tuple[int, int, int]]") -> bool:
    """Whether a container has that id."""
    return any(inside <= id < inside + size for inside, _, size in maps)


def is_own(maps: "list[tuple[int, int, int]]", id: int) -> bool:
    """Whether a map has one entry for one id, the user's own: what he may write himself (user_namespaces(7))."""
    return len(maps) == 1 and maps[0][1:] == (id, 1)


def explain(error: PyruncError) -> None:
    """Gives the error of namespaces that could not be made, or joined, the hint that fits this host."""
    if error.hint:
        return
    if "join" in error.reason:
        if error.errno == EPERM and posix.geteuid() != 0:
            error.hint = "without root only namespaces can be joined that belong to the container's user namespace"
    elif error.errno == ENOSPC and "user namespace" in error.reason:
        most = number("user/max_user_namespaces")
        error.hint = f"the limit of user namespaces is reached: sysctl user.max_user_namespaces is {most}"
    elif error.errno == ENOSPC:
        error.hint = "the limit of one kind of namespaces is reached: see sysctl user.max_pid_namespaces and its like"
    elif error.errno == EUSERS:
        error.hint = "user namespaces can be 32 deep, no deeper"
    elif error.errno in (EPERM, EACCES):
        error.hint = why_forbidden()


def why_forbidden() -> str:
    """What on this host may forbid user namespaces to ordinary users; "" for root, whom none of that concerns."""
    if posix.geteuid() == 0:
        return ""
    if number("kernel/unprivileged_userns_clone") == 0:
        return "sysctl kernel.unprivileged_userns_clone is 0: only root may make user namespaces"
    if number("kernel/apparmor_restrict_unprivileged_userns") == 1:
        return (
            "AppArmor restricts user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns is 1):"
            " give pyrunc a profile with `userns,`, or set it to 0"
        )
    return "is this a chroot, or does a seccomp filter or a security module forbid user namespaces?"


def number(name: str) -> "int | None":
    """A sysctl by its path below /proc/sys; None when this kernel does not have it, or does not show it."""
    try:
        return int(read(f"/proc/sys/{name}"))
    except OSError:
        return None
