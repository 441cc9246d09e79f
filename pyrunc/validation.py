"""validate: everything that can be said of a bundle without making a container of it.

problems: what is wrong with the bundle on every host;  warnings: what is odd about it, and what this host (or this
caller) cannot do, so that `create` would fail here.  host.py beside this asks the host.
"""

import os

from pyrunc import host
from pyrunc.cgroups.devices import device_rules
from pyrunc.cgroups.plan import directories, plan_devices, plan_limits
from pyrunc.errors import ConfigError, PyruncError
from pyrunc.facts import read_facts
from pyrunc.namespaces import without_own_user
from pyrunc.operations.plan import plan_filesystem
from pyrunc.process import plan_process
from pyrunc.security.capabilities import ALL, plan_capabilities
from pyrunc.spec import rules
from pyrunc.spec.check import check_config
from pyrunc.spec.load import load_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyrunc.cgroups.systemd import SystemdFacts
    from pyrunc.facts import HostFacts

    Finding = tuple[str, str]
    Config = dict[str, Any]


class Report:
    """What was found: (JSON pointer into config.json, message), pointer "" for the file or bundle as a whole."""

    __slots__ = ("problems", "warnings")

    def __init__(self) -> None:
        self.problems: "list[Finding]" = []
        self.warnings: "list[Finding]" = []

    @property
    def valid(self) -> bool:
        """Whether there is nothing but warnings."""
        return not self.problems


def validate(bundle: str, rootless: str = "auto", systemd_cgroup: bool = False) -> Report:
    """Examines a bundle; options as for `Container.create`.  Raises nothing for what is wrong with it."""
    report = Report()
    try:
        config = load_config(bundle)
    except PyruncError as error:
        report.problems.append(("", str(error)))
        return report
    try:
        check_config(config)
    except ConfigError as error:
        report.problems += error.problems
    well_formed = report.valid
    report.problems += root_problems(config, bundle)
    if not well_formed:
        return report  # all that follows relies on the schema
    report.warnings += rules.warnings(config)
    try:
        facts = read_facts(rootless)
    except OSError as error:
        report.warnings.append(("", f"the host cannot be asked: {error}"))
        return report
    if systemd_cgroup:
        facts.systemd = ask_systemd(report, facts)
    examine(report, without_own_user(config), bundle, facts)
    return report


def ask_systemd(report: Report, facts: "HostFacts") -> "SystemdFacts":
    """The manager that would have the container; without one the names in the bundle can still be looked at."""
    from pyrunc.cgroups.systemd import SYSTEM, USER, SystemdFacts

    kind = USER if facts.rootless_cgroups else SYSTEM
    try:
        from pyrunc.cgroups.systemd_bus import read_systemd

        return read_systemd(kind)
    except PyruncError as error:
        report.warnings.append(("", str(error)))
        return SystemdFacts(0, "", kind)


def root_problems(config: "Config", bundle: str) -> "list[Finding]":
    """config.md#root: a directory MUST exist at root.path."""
    root = config.get("root")
    path = root.get("path") if isinstance(root, dict) else None
    if not isinstance(path, str) or not path or "\0" in path or os.path.isdir(os.path.join(bundle, path)):
        return []  # of the wrong type it is a problem already
    return [("/root/path", f"{os.path.normpath(os.path.join(bundle, path))} is no directory")]


def examine(report: Report, config: "Config", bundle: str, facts: "HostFacts") -> None:
    """What the planners say, part by part, so that one refusal does not hide the next, and what the host says."""
    linux: Config = config.get("linux") or {}
    collect = Collector(report)
    paths: "dict[str, str]" = {}
    collect.problem("/linux/cgroupsPath", lambda: paths.update(cgroup_paths(config, facts)))
    plan_mounts(collect, config, bundle, facts, paths)
    resources: Config = linux.get("resources") or {}
    devices = "/linux/resources/devices"
    if collect.problem(devices, lambda: device_rules(resources.get("devices") or [])):
        collect.warning(devices, lambda: plan_devices(resources, paths, facts.rootless_cgroups))
    for name, value in resources.items():
        part = {name: value}
        collect.warning(f"/linux/resources/{name}", lambda part=part: plan_limits(part, paths, facts.cgroup))  # type: ignore[misc]
    if "process" in config:
        process = config["process"]
        collect.problem("/process", lambda: plan_process(process, linux))
        own = any(entry["type"] == "user" for entry in linux.get("namespaces") or ())
        sets = (ALL, ALL) if own else (facts.permitted, facts.bounding)
        capabilities = plan_capabilities(process, facts.last_cap, *sets)
        report.warnings += [("/process/capabilities", text) for text in capabilities.warnings]
    else:
        report.warnings.append(("/process", "there is no process: create works, start and run fail"))
    if linux.get("seccomp"):
        compile_profile(collect, linux["seccomp"])
    for find in host.CHECKS:
        report.warnings += find(config, facts)


def cgroup_paths(config: "Config", facts: "HostFacts") -> "dict[str, str]":
    """Where the container's cgroups would be."""
    if facts.systemd is None:
        return directories((config.get("linux") or {}).get("cgroupsPath") or "", "container", facts.cgroup)
    from pyrunc.cgroups.systemd import plan_scope

    return plan_scope(config, "container", facts.cgroup, facts.systemd)[1]


def plan_mounts(
    collect: "Collector", config: "Config", bundle: str, facts: "HostFacts", paths: "dict[str, str]"
) -> None:
    """Plans the file system without mounts, and then each mount alone."""
    own = {entry["type"] for entry in (config.get("linux") or {}).get("namespaces") or ()}
    if "mount" not in own:
        return

    def plan(mounts: "list[Config]") -> object:
        alone = {**config, "mounts": mounts}
        return plan_filesystem(alone, bundle=bundle, layout=facts.cgroup, cgroup_paths=paths, has_own=own)

    collect.problem("", lambda: plan([]))
    for index, mount in enumerate(config.get("mounts") or ()):
        collect.problem(f"/mounts/{index}", lambda mount=mount: plan([mount]), keep_pointer=True)  # type: ignore[misc]


def compile_profile(collect: "Collector", profile: "Config") -> None:
    """Compiles the seccomp profile.  What has no meaning is a problem, what this libseccomp cannot do a warning."""
    from pyrunc.security.seccomp import filter_for

    try:
        texts = filter_for(profile, None).warnings
    except ConfigError as error:
        collect.report.problems.append(("/linux/seccomp", str(error)))
    except PyruncError as error:
        collect.report.warnings.append(("/linux/seccomp", str(error)))
    else:
        collect.report.warnings += [("/linux/seccomp", text) for text in texts]


class Collector:
    """Runs parts of a plan and puts what they refuse into a report."""

    __slots__ = ("report",)

    def __init__(self, report: Report) -> None:
        self.report = report

    def problem(self, pointer: str, part: "Callable[[], object]", keep_pointer: bool = False) -> bool:
        """What is refused is wrong everywhere.  keep_pointer: the error's own place is not that of config.json.

        Whether nothing was refused.
        """
        return self._run(self.report.problems, pointer, part, keep_pointer)

    def warning(self, pointer: str, part: "Callable[[], object]") -> None:
        """What is refused is refused by this host."""
        self._run(self.report.warnings, pointer, part, False)

    def _run(self, findings: "list[Finding]", pointer: str, part: "Callable[[], object]", keep_pointer: bool) -> bool:
        try:
            part()
        except PyruncError as error:
            if error.place and not keep_pointer:
                pointer = pointer_of(error.place)
            findings.append((pointer, ": ".join(text for text in (error.operation, error.reason) if text)))
            return False
        return True


def pointer_of(place: str) -> str:
    """The JSON pointer for an error's place: "mounts[3] (/data)" is "/mounts/3".

    What is quoted in brackets is a member's name, which may have dots.
    """
    place = place.partition(" (")[0]
    parts: "list[str]" = []
    while place:
        if place.startswith(("['", '["')):
            name, _, place = place[2:].partition(place[1] + "]")
        elif place.startswith("["):
            name, _, place = place[1:].partition("]")
        else:
            end = min((place.index(mark) for mark in ".[" if mark in place), default=len(place))
            name, place = place[:end], place[end:]
        parts.append(name.replace("~", "~0").replace("/", "~1"))
        place = place.removeprefix(".")
    return "".join("/" + part for part in parts)
