"""config-linux.md#control-groups: where the container is, and its limits, read from the host."""

from pathlib import Path
from typing import Any

import pytest

from conformance.command import Runtime
from conformance.requirement import MUST, SHOULD, check, drop, forgive, garble
from tests.support import leaks
from tests.support.bundles import Bundle

PURE_V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


def with_resources(oci: Runtime, **resources: Any) -> Bundle:
    """A bundle that sleeps, with limits and a cgroup of its own name."""
    made = oci.bundle(("/bin/sleep", "1000"))
    made.config["linux"].update(cgroupsPath=f"/{leaks.prefix()}{oci.folder.parent.name}", resources=resources)
    return made.save()


def limit(oci: Runtime, made: Bundle, v1: "tuple[str, str]", v2: str) -> str:
    """What the file of a limit says while the container runs: v1 is (controller, file)."""
    name, _ = oci.create(made)
    oci.ok("start", name)
    with open(f"/proc/{oci.state(name)['pid']}/cgroup") as file:
        places = dict(line.strip().split(":", 2)[1:] for line in file)
    if PURE_V2:
        return Path(f"/sys/fs/cgroup{places['']}", v2).read_text().strip()
    controller, file_name = v1
    for names, path in places.items():
        if controller in names.split(","):
            found = Path(f"/sys/fs/cgroup/{controller}{path}", file_name)
            if not found.exists():
                pytest.skip(f"this kernel has no {file_name}")
            return found.read_text().strip()
    pytest.skip(f"this host has no {controller} controller")


@check(
    600,
    MUST,
    "config-linux.md#cgroups-path",
    "an absolute cgroupsPath is the container's cgroup",
    garble("/linux/cgroupsPath", "/other"),
)
def test_path(oci: Runtime) -> None:
    made = with_resources(oci)
    path = made.config["linux"]["cgroupsPath"]
    name, _ = oci.create(made)
    with open(f"/proc/{oci.state(name)['pid']}/cgroup") as file:
        places = [line.strip().split(":", 2)[2] for line in file]
    assert any(place.endswith(path) for place in places)


@check(
    601,
    MUST,
    "config-linux.md#cgroups-path",
    "the same cgroupsPath is the same cgroup again",
    garble("/linux/cgroupsPath", "other-%"),
)
def test_same_path(oci: Runtime) -> None:
    made = with_resources(oci)
    wanted = made.config["linux"]["cgroupsPath"]
    seen = []
    for _ in range(2):
        name, _ = oci.create(made)
        with open(f"/proc/{oci.state(name)['pid']}/cgroup") as file:
            seen.append([line for line in file if wanted in line])
        oci.ok("delete", "--force", name)
    assert seen[0]
    assert seen[0] == seen[1]


@check(602, MUST, "runtime.md#delete", "delete removes the cgroup", garble("/linux/cgroupsPath", "/"))
def test_removed(oci: Runtime) -> None:
    made = with_resources(oci)
    wanted = made.config["linux"]["cgroupsPath"]
    name, _ = oci.create(made)
    with open(f"/proc/{oci.state(name)['pid']}/cgroup") as file:
        assert wanted in file.read()
    oci.ok("delete", "--force", name)
    assert list(Path("/sys/fs/cgroup").glob(f"**{wanted}")) == []


@check(603, MUST, "config-linux.md#memory", "memory.limit limits the memory", drop("/linux/resources/memory/limit"))
def test_memory(oci: Runtime) -> None:
    made = with_resources(oci, memory={"limit": 64 << 20})
    assert limit(oci, made, ("memory", "memory.limit_in_bytes"), "memory.max") == str(64 << 20)


@check(
    604,
    MUST,
    "config-linux.md#memory",
    "memory.reservation is the soft limit",
    drop("/linux/resources/memory/reservation"),
)
def test_reservation(oci: Runtime) -> None:
    made = with_resources(oci, memory={"reservation": 32 << 20})
    assert limit(oci, made, ("memory", "memory.soft_limit_in_bytes"), "memory.low") == str(32 << 20)


@check(605, MUST, "config-linux.md#cpu", "cpu.shares is the weight", drop("/linux/resources/cpu/shares"))
def test_shares(oci: Runtime) -> None:
    made = with_resources(oci, cpu={"shares": 512})
    shown = limit(oci, made, ("cpu", "cpu.shares"), "cpu.weight")
    assert shown != ("100" if PURE_V2 else "1024")
    assert PURE_V2 or shown == "512"


@check(606, MUST, "config-linux.md#cpu", "cpu.quota and cpu.period limit the time", drop("/linux/resources/cpu/quota"))
def test_quota(oci: Runtime) -> None:
    made = with_resources(oci, cpu={"quota": 20000, "period": 50000})
    shown = limit(oci, made, ("cpu", "cpu.cfs_quota_us"), "cpu.max")
    assert shown == ("20000 50000" if PURE_V2 else "20000")


@check(607, MUST, "config-linux.md#cpu", "cpu.period is the length of a period", drop("/linux/resources/cpu/period"))
def test_period(oci: Runtime) -> None:
    made = with_resources(oci, cpu={"quota": 20000, "period": 50000})
    shown = limit(oci, made, ("cpu", "cpu.cfs_period_us"), "cpu.max")
    assert shown == ("20000 50000" if PURE_V2 else "50000")


@check(608, MUST, "config-linux.md#cpu", "cpu.cpus are the processors", garble("/linux/resources/cpu/cpus", "0-1"))
def test_cpus(oci: Runtime) -> None:
    made = with_resources(oci, cpu={"cpus": "0"})
    assert limit(oci, made, ("cpuset", "cpuset.cpus"), "cpuset.cpus") == "0"


@check(609, MUST, "config-linux.md#pids", "pids.limit limits the number of tasks", drop("/linux/resources/pids"))
def test_pids(oci: Runtime) -> None:
    made = with_resources(oci, pids={"limit": 77})
    assert limit(oci, made, ("pids", "pids.max"), "pids.max") == "77"


@check(610, SHOULD, "config-linux.md#pids", "a pids.limit of -1 is no limit", garble("/linux/resources/pids/limit", 5))
def test_no_pids_limit(oci: Runtime) -> None:
    made = with_resources(oci, pids={"limit": -1})
    assert limit(oci, made, ("pids", "pids.max"), "pids.max") == "max"


KMSG = {"type": "c", "major": 1, "minor": 11}
NOTHING = {"allow": False, "access": "rwm"}


def opens_device(oci: Runtime, *rules: "dict[str, Any]") -> bool:
    """Whether a container with these rules, after that nothing is allowed, can open the kernel's log."""
    made = with_resources(oci, devices=[NOTHING, *rules])
    made.config["linux"]["devices"] = [{"path": "/dev/log-device", **KMSG, "fileMode": 0o666}]
    made.config["process"]["args"] = ["/bin/sh", "-c", "exec 3</dev/log-device"]
    for name in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][name].append("CAP_SYSLOG")
    return oci.run(made.save()).returncode == 0


@check(
    611,
    MUST,
    "config-linux.md#allowed-device-list",
    "devices that no rule allows cannot be used",
    garble("/linux/resources/devices", [{"allow": True, "access": "rwm"}]),
)
def test_denied_device(oci: Runtime) -> None:
    assert not opens_device(oci)


@check(
    612,
    MUST,
    "config-linux.md#allowed-device-list",
    "devices that a rule allows can be used",
    drop("/linux/resources/devices/1"),
)
def test_allowed_device(oci: Runtime) -> None:
    assert opens_device(oci, {"allow": True, "access": "rw", **KMSG})


@check(
    613,
    MUST,
    "config-linux.md#allowed-device-list",
    "the rules are applied in the listed order",
    drop("/linux/resources/devices/2"),
)
def test_device_order(oci: Runtime) -> None:
    assert not opens_device(oci, {"allow": True, "access": "rw", **KMSG}, {"allow": False, "access": "r", **KMSG})


@check(
    614,
    MUST,
    "config-linux.md#unified",
    "unified without cgroup v2 is an error, with it the file is written",
    forgive("create"),
    drop("/linux/resources/unified"),
)
def test_unified(oci: Runtime) -> None:
    made = with_resources(oci, unified={"memory.high": str(48 << 20)})
    if PURE_V2:
        assert limit(oci, made, ("", ""), "memory.high") == str(48 << 20)
    else:
        oci.refuses(made)


@check(
    615,
    MUST,
    "config-linux.md#hugepage-limits",
    "a page size that the host does not have is an error",
    forgive("create"),
    drop("/linux/resources/hugepageLimits"),
)
def test_huge_pages(oci: Runtime) -> None:
    oci.refuses(with_resources(oci, hugepageLimits=[{"pageSize": "3MB", "limit": 9}]))
