"""From a configuration to its cgroups: where they are, and the operations that make and limit them.

With the cgroupfs driver pyrunc makes the directories.  With the other one systemd does, around the first process
(systemd.py), and pyrunc what systemd leaves out; limits and members are the same for both.
"""

from pyrunc import pathnames
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.cgroups.operations import EnableControllers, MakeCgroup, MakeCpusetCgroup
from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.cgroups.layout import Layout
    from pyrunc.cgroups.systemd import Scope, SystemdFacts
    from pyrunc.operations.base import Operation

PLACE = "linux.cgroupsPath"


BEFORE_1_3 = ("1.0.", "1.1.", "1.2.")


class CgroupPlan:
    """What the cgroups of one container are to be; everything in it is performed by the runtime, on the host.

    paths:   controller -> absolute directory; performing `create` drops what a rootless user may not have
    create:  makes the directories (perform first)
    limits:  writes the limits (perform next, before any process is in the cgroup)
    clone_into: whether the first process can be born in the cgroup (CLONE_INTO_CGROUP)
    scope:   the unit that systemd is to make around the first process, before `create`; None: the cgroupfs driver
    """

    __slots__ = ("clone_into", "create", "limits", "paths", "scope")

    def __init__(self, paths: "dict[str, str]") -> None:
        self.paths = paths
        self.create: list[Operation] = []
        self.limits: list[Operation] = []
        self.clone_into = False
        self.scope: Scope | None = None

    @property
    def cgroup_fd_path(self) -> "str | None":
        """The cgroup2 directory to open for CLONE_INTO_CGROUP; None when there is none, or none to be born in."""
        return self.paths.get(UNIFIED) if self.clone_into else None

    @property
    def made(self) -> "dict[str, str]":
        """The part of paths whose directories perform(), or systemd, made: what to remove() when a later step fails.

        The others were there before, perhaps with somebody's processes in them.
        """
        steps = [step for step in self.create if isinstance(step, MakeCgroup)]
        started = self.scope is not None and self.scope.started
        new = {step.directory for step in steps if step.made or started}
        return {name: path for name, path in self.paths.items() if path in new}


def plan_cgroup(
    config: "Mapping[str, Any]",
    container_id: str,
    layout: "Layout",
    *,
    rootless: bool = False,
    systemd: "SystemdFacts | None" = None,
) -> CgroupPlan:
    """The cgroups of a new container.  Touches nothing; raises PyruncError for what this host cannot do.

    rootless: what the user has no right to is left out where the configuration does not ask for it.
    systemd: the manager that is to make the cgroups; None: pyrunc does.
    """
    linux = config.get("linux") or {}
    resources = resources_of(config)
    cgroups_path = linux.get("cgroupsPath") or ""
    if systemd is None:
        plan = CgroupPlan(directories(cgroups_path, container_id, layout))
    else:
        from pyrunc.cgroups.systemd import plan_scope

        scope, paths = plan_scope(config, container_id, layout, systemd)
        plan = CgroupPlan(paths)
        plan.scope = scope
    limits, required = plan_limits(resources, plan.paths, layout)
    # directory -> the first place that needs it
    needed = {step.directory: step.place for step in reversed(limits)}
    for name, path in plan.paths.items():
        place = needed.get(path, PLACE if cgroups_path else "")
        kind = MakeCpusetCgroup if name == "cpuset" else MakeCgroup
        if any(isinstance(step, MakeCgroup) and step.directory == path for step in plan.create):
            continue  # mounted together with a controller that came before
        mount, ours = layout.hierarchies[name], plan.scope is not None
        plan.create.append(kind(mount, path, plan.paths, rootless=rootless, place=place, ours=ours))
    if required or layout.version == 2:
        mount = layout.hierarchies[UNIFIED]
        plan.create.append(
            EnableControllers(mount, plan.paths[UNIFIED], plan.paths, required, everything=layout.version == 2)
        )
    if layout.version == 2:
        from pyrunc.cgroups.delegation import DelegateCgroup, owner_of

        owner = owner_of(config)
        if owner is not None:
            plan.create.append(DelegateCgroup(plan.paths[UNIFIED], plan.paths, owner))
    plan.limits = [*limits, *plan_devices(resources, plan.paths, rootless)]
    # A pids limit of 0 forbids being born there, not being moved there.
    no_forks = layout.version == 2 and (resources.get("pids") or {}).get("limit") == 0
    plan.clone_into = plan.scope is None and not no_forks
    return plan


def without_cgroups(resources: "Mapping[str, Any]") -> CgroupPlan:
    """The plan of a container whose processes stay in the caller's cgroups, where no device is denied either.

    Raises PyruncError for a limit.
    """
    for name, limits in resources.items():
        if limits and name != "devices":
            what = "the container has no cgroups that could be limited (--cgroup-manager=disabled)"
            raise PyruncError(what, place=f"linux.resources.{name}")
    return CgroupPlan({})


def resources_of(config: "Mapping[str, Any]") -> "Mapping[str, Any]":
    """linux.resources as the configuration's own version of the specification means them.

    Before 1.3 a pids limit of 0 is none: podman 4 writes it for `--pids-limit=-1`, and runtimes of that time obey.
    """
    resources: Mapping[str, Any] = (config.get("linux") or {}).get("resources") or {}
    if (resources.get("pids") or {}).get("limit") == 0 and config.get("ociVersion", "").startswith(BEFORE_1_3):
        return {**resources, "pids": {"limit": -1}}
    return resources


def directories(cgroups_path: str, container_id: str, layout: "Layout") -> "dict[str, str]":
    """controller -> the container's directory, as runc's cgroupfs driver chooses it.

    An absolute cgroupsPath starts at the top of each hierarchy, a relative one (the container's id when there is
    none) at the caller's own cgroup; on v2 at the one above, since no cgroup with processes in it can hand
    controllers down.  ".." does not lead out.
    """
    inner = pathnames.normpath("/" + (cgroups_path or container_id)).lstrip("/")
    if not inner:
        raise PyruncError(f"{cgroups_path!r} does not name a cgroup of its own", place=PLACE)
    paths = {}
    for name, mount in layout.hierarchies.items():
        base = "" if cgroups_path.startswith("/") else layout.own[name].rstrip("/")
        if "/.." in base:
            raise PyruncError(f"{base}: the caller's own cgroup is outside its cgroup namespace", place=PLACE)
        if layout.version == 2:
            base = base.rpartition("/")[0]
        paths[name] = f"{mount}{base}/{inner}"
    return paths


def plan_limits(
    resources: "Mapping[str, Any]", paths: "Mapping[str, str]", layout: "Layout"
) -> "tuple[list[Any], dict[str, str]]":
    """The operations for all of linux.resources but devices, and the v2 controllers they need (with their places).

    Raises PyruncError for a limit of a controller that no hierarchy has.
    """
    limits: list[Any] = []
    required: dict[str, str] = {}
    if not any(resources.values()):
        return limits, required
    on_unified = layout.version == 2
    if not on_unified:
        from pyrunc.cgroups.v1 import WRITERS

        if resources.get("unified"):
            raise PyruncError("the unified resources need cgroup v2", place="linux.resources.unified")
        for controller, writer in WRITERS.items():
            operations = writer(resources, paths.get(controller, ""))
            if not operations or controller in paths:
                limits += operations
            elif controller in ("hugetlb", "rdma") and UNIFIED in paths:
                on_unified = True  # a hybrid host may leave these to cgroup2
                required[controller] = operations[0].place
            else:
                raise PyruncError(f"the {controller} cgroup controller is not available", place=operations[0].place)
    if on_unified:
        from pyrunc.cgroups import v2

        for controller, writer in v2.WRITERS.items():
            if layout.version == 2 or controller in required:
                operations = writer(resources, paths[UNIFIED])
                if operations:
                    required[controller] = operations[0].place
                limits += operations
        if layout.version == 2:
            limits += v2.unified(resources, paths[UNIFIED])
            required = v2.unified_controllers(resources) | required
    return limits, required


def plan_devices(resources: "Mapping[str, Any]", paths: "Mapping[str, str]", rootless: bool) -> "list[Operation]":
    """The operation that lets the container use its devices and no others."""
    from pyrunc.cgroups.devices import AllowDevices, device_rules, v1_writes

    rules = device_rules(resources.get("devices") or [])
    if "devices" in paths:
        return [AllowDevices(paths["devices"], v1_writes(rules), optional=rootless)]
    if UNIFIED in paths:
        from pyrunc.cgroups.device_filter import AttachDeviceFilter

        return [AttachDeviceFilter(paths[UNIFIED], rules, optional=rootless)]
    if rootless:
        return []
    raise PyruncError("the devices cgroup controller is not available", place="linux.resources.devices")


def plan_update(resources: "Mapping[str, Any]", paths: "Mapping[str, str]", layout: "Layout") -> "list[Operation]":
    """The operations that change a running container's limits; its devices stay as they are."""
    limits, required = plan_limits(resources, paths, layout)
    if required:
        mount = layout.hierarchies[UNIFIED]
        limits.insert(0, EnableControllers(mount, paths[UNIFIED], dict(paths), required, everything=False))
    return limits
