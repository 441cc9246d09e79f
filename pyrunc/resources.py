"""update: other limits for a container that is there (config-linux.md, "Control groups").

What engines send for "leave it as it is" (docker sends every field) is dropped first; devices always are.  The
rest is planned as at `create`, written, and put into the stored configuration.
"""

from pyrunc import cgroups
from pyrunc.errors import InvalidTransition, PyruncError
from pyrunc.fastjson import dumps
from pyrunc.liveness import status_of
from pyrunc.rootless import CGROUP_HINT
from pyrunc.spec.check import check_intel_rdt, check_resources
from pyrunc.spec.load import parse
from pyrunc.state import CONFIG_FILE, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pyrunc.container import Container
    from pyrunc.record import Record

    Resources = Mapping[str, Any]

# Members whose 0, "" or false asks for nothing.  For all others (pids.limit, cpu.idle, ...) it is a value.
IDLE_AT_ZERO = {
    "memory": ("limit", "reservation", "swap", "kernel", "kernelTCP", "disableOOMKiller"),
    "cpu": ("shares", "quota", "period", "realtimeRuntime", "realtimePeriod", "cpus", "mems"),
    "blockIO": ("weight", "leafWeight"),
    "network": ("classID",),
}
# The members that say which entry of a list is meant.
KEYS = ("pageSize", "major", "minor", "name")


def update(container: "Container", resources: "Resources", intel_rdt: "Resources") -> None:
    """Changes the limits that `resources` names, and those members of linux.intelRdt, of a container that has not
    stopped.

    Raises PyruncError, naming the file that refused its value, and then no limit has changed.
    """
    from pyrunc.cgroups.restore import perform_or_restore

    check_resources(resources)
    check_intel_rdt(intel_rdt)
    changes = asked_for(resources)
    with StateDirectory.open(container.root, container.id) as state:
        record = state.load()
        if status_of(state, record) in ("stopped", "creating"):
            raise InvalidTransition("container not running")
        if not record.cgroups:
            raise PyruncError("the container has no cgroup, so there are no limits to change", hint=CGROUP_HINT)
        config = parse(state.read(CONFIG_FILE), CONFIG_FILE)
        stored = (config.get("linux") or {}).get("resources") or {}
        layout = cgroups.detect()
        planned = with_partners(changes, stored) if layout.version == 2 else changes
        operations = cgroups.plan_update(with_check(planned, stored), record.cgroups, layout)
        if record.systemd_cgroup:
            from pyrunc.cgroups import systemd_unit

            # First: the files' own writers have the last word.
            operations = [*systemd_unit.changes(record, planned, layout), *operations]
        config.setdefault("linux", {})["resources"] = merged(stored, changes)
        if intel_rdt:
            config["linux"]["intelRdt"] = {**(config["linux"].get("intelRdt") or {}), **intel_rdt}
        document = dumps(config).encode()
        put_back = change_group(state, record, intel_rdt) if intel_rdt else None
        try:
            perform_or_restore(operations, lambda: state.write(CONFIG_FILE, document))
        except BaseException:
            if put_back:
                put_back()
            raise


def change_group(state: StateDirectory, record: "Record", intel_rdt: "Resources") -> "Callable[[], None]":
    """Writes the schemata of the container's group in resctrl; a container without one gets it, as with runc.

    Gives back what undoes it.  Raises PyruncError.
    """
    from pyrunc import resctrl

    if resctrl.load(state):
        return resctrl.change(state, intel_rdt)
    group = resctrl.Group(intel_rdt, record.id, resctrl.find_root())
    try:
        group.make(state)
        resctrl.attach_all(state, lambda: cgroups.processes(record.cgroups) or [record.pid])
    except BaseException:
        resctrl.remove(state)
        raise
    return lambda: resctrl.remove(state)


def asked_for(resources: "Resources") -> "dict[str, Any]":
    """The resources without devices and without what asks for nothing."""
    changes: "dict[str, Any]" = {}
    for section, members in resources.items():
        if section == "devices":
            continue
        idle = IDLE_AT_ZERO.get(section, ())
        if isinstance(members, dict):
            members = {name: value for name, value in members.items() if value or name not in idle}
        if members:
            changes[section] = members
    return changes


def with_partners(changes: "Resources", stored: "Resources") -> "dict[str, Any]":
    """The changes, with those stored values that cgroup2 wants to have beside them.

    It has quota and period in one file, and a limit for swap alone, which is told from memory.limit.
    """
    full = dict(changes)
    cpu, old_cpu = changes.get("cpu", {}), stored.get("cpu", {})
    for name, partner in (("quota", "period"), ("period", "quota")):
        if cpu.get(name) and not cpu.get(partner) and old_cpu.get(partner):
            full["cpu"] = {**cpu, partner: old_cpu[partner]}
    memory, old_memory = changes.get("memory", {}), stored.get("memory", {})
    if memory.get("swap", 0) > 0 and not memory.get("limit") and old_memory.get("limit"):
        full["memory"] = {**memory, "limit": old_memory["limit"]}
    return full


def with_check(changes: "Resources", stored: "Resources") -> "Resources":
    """The changes, with memory.checkBeforeUpdate where the container was made with it."""
    if "memory" in changes and stored.get("memory", {}).get("checkBeforeUpdate"):
        return {**changes, "memory": {"checkBeforeUpdate": True, **changes["memory"]}}
    return changes


def merged(stored: "Resources", changes: "Resources") -> "dict[str, Any]":
    """The stored resources with the changes in them."""
    result = dict(stored)
    for name, value in changes.items():
        old = result.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            result[name] = merged(old, value)
        elif isinstance(value, list) and isinstance(old, list):
            named = {key_of(entry) for entry in value}
            result[name] = [entry for entry in old if key_of(entry) not in named] + value
        else:
            result[name] = value
    return result


def key_of(entry: "Mapping[str, Any]") -> "tuple[Any, ...]":
    """Which device, page size or interface an entry of a list is for."""
    return tuple(entry.get(name) for name in KEYS)
