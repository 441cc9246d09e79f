"""Where systemd has a container: the scope, the slice it is in, and the cgroup that both make (systemd.slice(5)).

This is the other driver: systemd makes the cgroup and keeps the limits that it knows as properties of the unit, so
that it does not undo them.  Nothing here talks to it: systemd_bus.py does, systemd_properties.py has the limits.
"""

from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.cgroups.layout import Layout

    Properties = dict[str, tuple[str, Any]]  # name -> (D-Bus signature, value)

PLACE = "linux.cgroupsPath"

# What the scopes of containers that do not say otherwise are called: pyrunc-ID.scope.
DEFAULT_PREFIX = "pyrunc"
SYSTEM_SLICE, USER_SLICE = "system.slice", "user.slice"
SYSTEM, USER = "system", "user"  # the two kinds of managers, as the record has them

UNIT_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@")
UNIT_LENGTH = 255  # systemd.unit(5)

# What a cgroup's directory may not be called, since the kernel has files of that name (cg_needs_escape() of systemd).
FILE_NAMES = ("notify_on_release", "release_agent", "tasks")
FILE_PREFIXES = ("cgroup", "cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids")


class SystemdFacts:
    """What a plan needs to know of the manager that will have the container.

    version:       of systemd (254), 0 when it does not say
    control_group: the manager's own cgroup, below which its slices are ("" for process 1)
    kind:          SYSTEM, or USER for an ordinary user's own manager
    """

    __slots__ = ("control_group", "kind", "version")

    def __init__(self, version: int, control_group: str, kind: str) -> None:
        self.version = version
        self.control_group = control_group
        self.kind = kind


class Scope:
    """A container's unit: its name, and the properties that it is made with.  `started` once systemd has made it."""

    __slots__ = ("kind", "name", "properties", "started")

    def __init__(self, name: str, kind: str, properties: "Properties") -> None:
        self.name = name
        self.kind = kind
        self.properties = properties
        self.started = False


def plan_scope(
    config: "Mapping[str, Any]", container_id: str, layout: "Layout", systemd: SystemdFacts
) -> "tuple[Scope, dict[str, str]]":
    """The container's unit, and its directory in each hierarchy.  Raises PyruncError, naming the place."""
    from pyrunc.cgroups.plan import resources_of
    from pyrunc.cgroups.systemd_annotations import annotated
    from pyrunc.cgroups.systemd_properties import base_properties, device_properties, limit_properties

    linux = config.get("linux") or {}
    resources = resources_of(config)
    slice_name, name = unit_of(linux.get("cgroupsPath") or "", container_id, systemd.kind)
    asked = annotated(config.get("annotations") or {})
    limits = limit_properties(resources, layout.version, systemd.version)
    if systemd.kind == SYSTEM:  # a user's manager may not load programs
        limits |= device_properties(resources.get("devices") or [])
    for property_name, (place, _) in asked.items():
        if property_name in limits:
            raise PyruncError(f"{property_name} is what linux.resources sets", place=place)
    properties = base_properties(f"pyrunc container {container_id}", slice_name, layout.version)
    properties |= {property_name: value for property_name, (_, value) in asked.items()}
    properties |= limits
    below = f"{systemd.control_group.rstrip('/')}{slice_path(slice_name)}/{directory_name(name)}"
    paths = {hierarchy: mount + below for hierarchy, mount in layout.hierarchies.items()}
    return Scope(name, systemd.kind, properties), paths


def unit_of(cgroups_path: str, container_id: str, kind: str) -> "tuple[str, str]":
    """The slice and the scope for a cgroupsPath "slice:prefix:name", or for none.  Raises PyruncError.

    As in runc, an empty slice is the default one, and an empty prefix makes the name NAME.scope.
    """
    default = USER_SLICE if kind == USER else SYSTEM_SLICE
    if not cgroups_path:
        return default, scope_name(DEFAULT_PREFIX, escaped(container_id))
    parts = cgroups_path.split(":")
    if len(parts) != 3:
        raise PyruncError(
            'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, '
            f'got "{cgroups_path}" instead',
            place=PLACE,
        )
    slice_name, prefix, name = parts
    if name.endswith(".slice"):
        raise PyruncError(f"{name}: a container's processes are in a scope, not in a slice", place=PLACE)
    return slice_name or default, scope_name(prefix, name)


def scope_name(prefix: str, name: str) -> str:
    """PREFIX-NAME.scope, if that may be a unit's name; else PyruncError."""
    unit = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    if not name or not UNIT_CHARACTERS.issuperset(unit) or unit.startswith(".") or len(unit) > UNIT_LENGTH:
        raise PyruncError(
            f"{unit!r} is not a valid name for a unit",
            place=PLACE,
            hint=f"units are named with letters, digits and : - _ . \\ @, and at most {UNIT_LENGTH} of them",
        )
    return unit


def escaped(container_id: str) -> str:
    """The id as part of a unit's name: "+" is none of its characters (systemd-escape(1))."""
    return "".join(
        [
            letter if letter in UNIT_CHARACTERS else f"\\x{byte:02x}"
            for letter in container_id
            for byte in letter.encode()
        ]
    )


def slice_path(name: str) -> str:
    """The path of a slice below the manager's cgroup: a-b.slice is /a.slice/a-b.slice, and -.slice the top ("").

    Raises PyruncError for what is not a slice's name.
    """
    stem = name[: -len(".slice")]
    if name == "-.slice":
        return ""
    if not name.endswith(".slice") or not stem or not UNIT_CHARACTERS.issuperset(name) or len(name) > UNIT_LENGTH:
        raise PyruncError(f"invalid slice name: {name}", place=PLACE)
    path = prefix = ""
    for part in stem.split("-"):
        if not part or part.startswith("."):
            raise PyruncError(f"invalid slice name: {name}", place=PLACE)
        prefix += part
        path += "/" + directory_name(f"{prefix}.slice")
        prefix += "-"
    return path


def directory_name(unit: str) -> str:
    """What systemd calls a unit's directory: itself, with a "_" before what could be one of the kernel's files."""
    start, dot, _ = unit.partition(".")
    if unit[0] in "_." or unit in FILE_NAMES or (dot and start in FILE_PREFIXES):
        return "_" + unit
    return unit


def unit_in(paths: "Mapping[str, str]") -> str:
    """The name of the unit that has these directories, "" when there are none."""
    for path in paths.values():
        name = path.rpartition("/")[2]
        return name[1:] if name.startswith("_") else name
    return ""
