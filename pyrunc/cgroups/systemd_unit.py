"""A container's scope, made around its first process, changed by `update`, and gone with the container."""

import time

from pyrunc import log
from pyrunc.cgroups.layout import SYSTEMD, UNIFIED, parse_memberships, read_text
from pyrunc.cgroups.members import members
from pyrunc.cgroups.systemd import unit_in
from pyrunc.cgroups.systemd_bus import UNIT_EXISTS, BusError, Manager, read_systemd
from pyrunc.cgroups.systemd_properties import limit_properties
from pyrunc.errors import PyruncError
from pyrunc.operations.base import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyrunc.cgroups.layout import Layout
    from pyrunc.cgroups.systemd import Properties, Scope
    from pyrunc.operations.build import Build
    from pyrunc.record import Record

PLACE = "linux.cgroupsPath"
PATIENCE = 5.0  # seconds for systemd to take away a unit that is over


def start(scope: "Scope", paths: "Mapping[str, str]", layout: "Layout", pid: int) -> None:
    """Has systemd make the scope with the process in it.  Raises PyruncError; the scope may be `started` then.

    A scope exists only around processes, so the container's first one has to be there already.
    """
    operation = f"start unit {scope.name}"
    properties = [*scope.properties.items(), ("PIDs", ("au", [pid]))]
    try:
        with Manager(scope.kind) as manager:
            scope.started = True  # also when we do not see the end of it
            try:
                start_with(manager, scope.name, properties, paths)
            except BusError:
                scope.started = False  # refused: a unit of that name is somebody else's
                raise
    except PyruncError as error:
        place, hint = "", error.hint
        if isinstance(error, BusError) and error.name == UNIT_EXISTS:
            place, hint = PLACE, f"another container has that cgroupsPath, or: systemctl stop {scope.name}"
        raise PyruncError(f"{error.operation}: {error.reason}", operation=operation, place=place, hint=hint) from error
    check_place(paths, layout, pid, operation)


def start_with(
    manager: Manager, name: str, properties: "list[tuple[str, tuple[str, Any]]]", paths: "Mapping[str, str]"
) -> None:
    """Starts the unit, when a former one of that name has gone: a failed one, or one whose last process has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            manager.start_scope(name, properties)
            return
        except BusError as error:
            alive = any(members(directory) for directory in set(paths.values()))
            if error.name != UNIT_EXISTS or alive or time.monotonic() > deadline:
                raise
        manager.reset_failed(name)
        time.sleep(0.02)


def check_place(paths: "Mapping[str, str]", layout: "Layout", pid: int, operation: str) -> None:
    """Raises PyruncError unless the process is where the plan has the container: limits would go elsewhere."""
    hierarchy = UNIFIED if layout.version == 2 else SYSTEMD
    if hierarchy in paths:
        place = layout.hierarchies[hierarchy] + parse_memberships(read_text(f"/proc/{pid}/cgroup")).get(hierarchy, "")
        if place != paths[hierarchy]:
            raise PyruncError(f"the process is in {place}, not in {paths[hierarchy]}", operation=operation, place=PLACE)


def remove(name: str, kind: str) -> None:
    """Stops the unit, if it is still there, and has systemd forget it, also when it has failed."""
    if not name:
        return
    try:
        with Manager(kind) as manager:
            manager.stop(name)
            manager.reset_failed(name)
    except PyruncError as error:
        # Nothing lives in it any more, and with its last process systemd takes a scope away by itself.
        log.warn(f"the unit {name} may be left: {error}")


def remove_of(record: "Record") -> None:
    """The same for the unit of a container."""
    remove(unit_in(record.cgroups), record.systemd_cgroup)


def attach(record: "Record", directory: str, pid: int) -> None:
    """Has systemd move a process into the container's cgroup2 directory, or one below it.

    For an ordinary user who comes from outside of his own manager's cgroup: he may not do it himself.
    """
    name = unit_in(record.cgroups)
    with Manager(record.systemd_cgroup) as manager:
        try:
            manager.attach(name, directory[len(record.cgroups[UNIFIED]) :], pid)
        except PyruncError as error:
            raise error.at(f"move process {pid} into unit {name}") from error


def changes(record: "Record", resources: "Mapping[str, Any]", layout: "Layout") -> "list[Operation]":
    """The operations by which systemd learns of an update; its devices stay as they are.  Raises PyruncError."""
    facts = read_systemd(record.systemd_cgroup)
    properties = limit_properties(resources, layout.version, facts.version)
    return [SetUnitProperties(unit_in(record.cgroups), facts.kind, properties)] if properties else []


class SetUnitProperties(Operation):
    """Changes properties of a unit, and can put back what they were."""

    __slots__ = ("before", "kind", "name", "properties")

    def __init__(self, name: str, kind: str, properties: "Properties") -> None:
        super().__init__("linux.resources")
        self.name = name
        self.kind = kind
        self.properties = properties
        self.before: Properties = {}

    def describe(self) -> str:
        return f"set {', '.join(self.properties)} of unit {self.name}"

    def perform(self, build: "Build | None") -> None:
        with Manager(self.kind) as manager:
            before = manager.properties(self.name, list(self.properties))
            manager.set_properties(self.name, list(self.properties.items()))
            self.before = before

    def undo(self) -> None:
        """Sets the former values again."""
        if self.before:
            with Manager(self.kind) as manager:
                manager.set_properties(self.name, list(self.before.items()))
