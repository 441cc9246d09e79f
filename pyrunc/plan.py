"""From a checked configuration to everything that will be done: decided here, performed elsewhere, touching nothing."""

from pyrunc import pathnames
from pyrunc.cgroups.plan import plan_cgroup, without_cgroups
from pyrunc.namespaces import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, plan_namespaces
from pyrunc.operations.options import PROPAGATION
from pyrunc.operations.plan import plan_filesystem
from pyrunc.operations.rootfs import SetPropagation
from pyrunc.process import ProcessSettings, plan_process
from pyrunc.security.capabilities import ALL, plan_capabilities
from pyrunc.spec.rules_linux import sysctl_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.facts import HostFacts
    from pyrunc.network import NetDevice
    from pyrunc.operations.base import Operation
    from pyrunc.resctrl import Group


NO_PROCESS: "dict[str, Any]" = {"args": [], "cwd": "/", "noNewPrivileges": True}
"""What a container without `process` is made with (it cannot be started): its helper waits, and may do nothing else."""


class Plan:
    """What creating one container will do.

    namespaces:   those to make and to join; `inside` has the flags of both
    cgroup:       its directories, and the operations that make and limit them
    filesystem:   the builder's operations, empty without a mount namespace
    process:      the settings of the user's process
    capabilities: its five sets
    root_kind:    "pivot", "move" (--no-pivot) or "chroot" (no mount namespace of its own)
    propagation:  MS_* flags for "/" after the root was switched, None to leave it
    sysctls:      (path below /proc/sys, value)
    group:        the container's group in resctrl, if it is to have one
    net_devices:  devices of the runtime's network namespace to move into the container's
    hooks:        kind -> list, only those that there are
    warnings:     for the log
    """

    __slots__ = (
        "bundle",
        "capabilities",
        "cgroup",
        "config",
        "filesystem",
        "group",
        "hooks",
        "id",
        "in_userns",
        "inside",
        "namespaces",
        "net_devices",
        "process",
        "propagation",
        "root_kind",
        "rootfs",
        "sysctls",
        "warnings",
    )

    def __init__(self, config: "dict[str, Any]", id: str, bundle: str, facts: "HostFacts", no_pivot: bool) -> None:
        linux = config.get("linux") or {}
        self.config = config
        self.id = id
        self.bundle = bundle
        self.rootfs = pathnames.normpath(pathnames.join(bundle, config["root"]["path"]))
        self.namespaces = plan_namespaces(config)
        self.inside = self.namespaces.new | self.namespaces.joined
        self.in_userns = bool(self.inside & CLONE_NEWUSER)
        if not facts.privileged:
            from pyrunc.rootless import check

            check(config, facts.gid)
        if facts.no_cgroups:
            self.cgroup = without_cgroups(linux.get("resources") or {})
        else:
            self.cgroup = plan_cgroup(config, id, facts.cgroup, rootless=facts.rootless_cgroups, systemd=facts.systemd)
        process = config.get("process") or NO_PROCESS
        self.process = plan_process(process, linux) if "process" in config else ProcessSettings(process, {})
        # The first process of a user namespace has every capability there, whatever the runtime has outside.
        permitted, bounding = (ALL, ALL) if self.in_userns else (facts.permitted, facts.bounding)
        self.capabilities = plan_capabilities(process, facts.last_cap, permitted, bounding)
        self.warnings = self.capabilities.warnings
        if not self.namespaces.new & CLONE_NEWNS:
            self.root_kind = "chroot"
        else:
            self.root_kind = "move" if no_pivot else "pivot"
        self.filesystem = self.plan_files(facts)
        name = linux.get("rootfsPropagation")
        self.propagation = PROPAGATION[name] if name and self.inside & CLONE_NEWNS else None
        self.sysctls = sorted((sysctl_path(name), value) for name, value in (linux.get("sysctl") or {}).items())
        self.net_devices = plan_devices(linux.get("netDevices"), facts.privileged)
        self.group = plan_group(linux.get("intelRdt"), id)
        self.hooks = {kind: entries for kind, entries in (config.get("hooks") or {}).items() if entries}

    @property
    def own_pidns(self) -> bool:
        """Whether the container's process is the init of a pid namespace, which ends with it."""
        return bool(self.namespaces.new & CLONE_NEWPID)

    @property
    def hooks_before_pivot(self) -> bool:
        """Whether there are hooks that run when the file system stands but is not the root yet."""
        return "prestart" in self.hooks or "createRuntime" in self.hooks or "createContainer" in self.hooks

    def plan_files(self, facts: "HostFacts") -> "list[Operation]":
        """The builder's operations."""
        if not self.inside & CLONE_NEWNS:
            return []
        operations = plan_filesystem(
            self.config,
            bundle=self.bundle,
            layout=facts.cgroup,
            cgroup_paths=self.cgroup.paths,
            has_own={entry["type"] for entry in self.config["linux"]["namespaces"]},
        )
        if self.root_kind == "move":
            from pyrunc.operations.host_mounts import HideHostInterfaces

            operations.append(HideHostInterfaces())
        if self.namespaces.new & CLONE_NEWNS:
            return operations
        # Others live in the mount namespace that is joined: their mounts stay as they are.
        return [operation for operation in operations if not isinstance(operation, SetPropagation)]


def plan_devices(devices: "dict[str, Any] | None", privileged: bool) -> "list[NetDevice]":
    """The network devices to move, which few containers have."""
    if not devices:
        return []
    from pyrunc.network import plan_net_devices

    return plan_net_devices(devices, privileged)


def plan_group(settings: "dict[str, Any] | None", id: str) -> "Group | None":
    """The container's group in resctrl, which few have.  Raises PyruncError where there is no resctrl."""
    if settings is None:
        return None
    from pyrunc.resctrl import Group, find_root

    return Group(settings, id, find_root())
