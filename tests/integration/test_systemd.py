"""Containers as systemd's scopes, on a host where systemd is process 1 (and cgroup2 is all there is)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.units import WithSystemd, cgroup_of, read, scope

pytestmark = [pytest.mark.root, pytest.mark.cgroup2, pytest.mark.systemd]

SLEEP = ("/bin/sleep", "1000")
MIB = 1 << 20


def limited(bundle: BundleFactory, **resources: Any) -> Bundle:
    made = bundle(SLEEP)
    made.config["linux"]["resources"].update(resources)
    return made.save()


def test_life_cycle(bundle: BundleFactory, systemd: WithSystemd) -> None:
    container_id, _ = systemd.create(bundle(SLEEP))
    unit = scope(container_id)
    pid = systemd.state(container_id)["pid"]
    assert cgroup_of(pid) == f"/system.slice/{unit}"
    shown = "ActiveState Delegate DefaultDependencies Slice ControlGroup Transient CPUAccounting MemoryAccounting "
    assert systemd.show(unit, *(shown + "IOAccounting TasksAccounting DevicePolicy Description").split()) == {
        "ActiveState": "active",
        "Delegate": "yes",
        "DefaultDependencies": "no",
        "Slice": "system.slice",
        "ControlGroup": f"/system.slice/{unit}",
        "Transient": "yes",
        **dict.fromkeys(("CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting"), "yes"),
        "DevicePolicy": "strict",
        "Description": f"pyrunc container {container_id}",
    }
    systemd.ok("start", container_id)
    assert systemd.ok("exec", container_id, "cat", "/proc/self/cgroup").stdout == f"0::/system.slice/{unit}\n"
    assert systemd.ok("ps", "--format", "json", container_id).json() == [pid]
    systemd.ok("pause", container_id)
    assert systemd.state(container_id)["status"] == "paused"
    systemd.ok("resume", container_id)
    assert systemd.ok("events", "--stats", container_id).json()["data"]["pids"]["current"] == 1
    systemd.ok("kill", container_id, "KILL")
    systemd.wait_status(container_id, "stopped")
    systemd.ok("delete", container_id)
    assert systemd.units(container_id) == []
    assert not Path(f"/sys/fs/cgroup/system.slice/{unit}").exists()


def test_run(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """In the foreground, with a cgroup namespace, whose root is the scope."""
    made = bundle(("/bin/cat", "/proc/self/cgroup"))
    made.config["linux"]["namespaces"].append({"type": "cgroup"})
    result = systemd.run(made.save())
    assert (result.returncode, result.stdout) == (0, "0::/\n"), result


@pytest.mark.parametrize("kinds", [("user",), ("time",), ("user", "time", "cgroup")])
def test_helpers_that_make_their_way_in(kinds: "tuple[str, ...]", bundle: BundleFactory, systemd: WithSystemd) -> None:
    made = bundle(("/bin/cat", "/proc/self/cgroup"))
    made.config["linux"]["namespaces"] += [{"type": kind} for kind in kinds]
    if "user" in kinds:
        for name in ("uidMappings", "gidMappings"):
            made.config["linux"][name] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    result = systemd.run(made.save())
    assert result.returncode == 0, result
    assert result.stdout == ("0::/\n" if "cgroup" in kinds else f"0::/system.slice/{scope(result.command[-1])}\n")


def test_named_slices(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """Parts of a slice's name are the slices above it; the name of the scope is what cgroupsPath says."""
    made = bundle(SLEEP)
    container_id = systemd.new_id()
    made.config["linux"]["cgroupsPath"] = f"pyrunctest-deep.slice:libpod:{container_id}"
    systemd.ok("create", "--bundle", made.save(), container_id)
    try:
        pid = systemd.state(container_id)["pid"]
        inside = f"/pyrunctest.slice/pyrunctest-deep.slice/libpod-{container_id}.scope"
        assert cgroup_of(pid) == inside
        systemd.ok("delete", "--force", container_id)
        assert not Path(f"/sys/fs/cgroup{inside}").exists()
    finally:
        systemd.systemctl("stop", "pyrunctest.slice")


def test_limits(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """Each is a property, and in the kernel's file to the letter, also where systemd keeps less."""
    made = limited(
        bundle,
        memory={"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB},
        cpu={"shares": 512, "quota": 50100, "period": 100000, "cpus": "0", "mems": "0"},
        pids={"limit": 99},
        unified={"memory.high": "48M"},
    )
    container_id, _ = systemd.create(made)
    unit = scope(container_id)
    names = "MemoryMax MemorySwapMax MemoryLow MemoryHigh CPUWeight CPUQuotaPerSecUSec CPUQuotaPeriodUSec AllowedCPUs"
    assert systemd.show(unit, *names.split(), "AllowedMemoryNodes", "TasksMax") == {
        "MemoryMax": str(64 * MIB),
        "MemorySwapMax": str(32 * MIB),
        "MemoryLow": str(32 * MIB),
        "MemoryHigh": str(48 * MIB),
        "CPUWeight": "59",
        "CPUQuotaPerSecUSec": "510ms",
        "CPUQuotaPeriodUSec": "100ms",
        "AllowedCPUs": "0",
        "AllowedMemoryNodes": "0",
        "TasksMax": "99",
    }
    files = {
        "memory.max": str(64 * MIB),
        "memory.swap.max": str(32 * MIB),
        "memory.low": str(32 * MIB),
        "memory.high": str(48 * MIB),
        "cpu.weight": "59",
        "cpu.max": "50100 100000",
        "cpuset.cpus": "0",
        "cpuset.mems": "0",
        "pids.max": "99",
    }
    cgroup = f"/system.slice/{unit}"
    assert {file: read(cgroup, file) for file in files} == files
    systemd.systemctl("daemon-reload")
    files["cpu.max"] = read(cgroup, "cpu.max")  # systemd may have rounded it up
    assert files["cpu.max"] in ("50100 100000", "51000 100000")
    assert {file: read(cgroup, file) for file in files} == files


def test_values_at_the_edge(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """No limits, no forks, an idle cgroup."""
    container_id, _ = systemd.create(limited(bundle, memory={"limit": -1}, cpu={"idle": 1}, pids={"limit": 0}))
    unit, cgroup = scope(container_id), f"/system.slice/{scope(container_id)}"
    assert systemd.show(unit, "MemoryMax", "CPUWeight", "TasksMax") == {
        "MemoryMax": "infinity",
        "CPUWeight": "idle",
        "TasksMax": "1",
    }
    files = ("memory.max", "memory.swap.max", "cpu.idle", "pids.max")
    assert [read(cgroup, file) for file in files] == ["max", "max", "1", "0"]


def test_update(bundle: BundleFactory, systemd: WithSystemd) -> None:
    container_id, _ = systemd.create(limited(bundle, memory={"limit": 64 * MIB}, pids={"limit": 50}))
    unit, cgroup = scope(container_id), f"/system.slice/{scope(container_id)}"
    devices = systemd.show(unit, "DevicePolicy", "DeviceAllow")
    options = "--memory 128M --memory-swap 160M --cpu-share 512 --cpu-quota 50000 --cpu-period 200000 --pids-limit -1"
    systemd.ok("update", *options.split(), "--cpuset-cpus", "0", container_id)
    names = "MemoryMax MemorySwapMax CPUWeight CPUQuotaPerSecUSec CPUQuotaPeriodUSec TasksMax AllowedCPUs".split()
    changed = {
        "MemoryMax": str(128 * MIB),
        "MemorySwapMax": str(32 * MIB),
        "CPUWeight": "59",
        "CPUQuotaPerSecUSec": "250ms",
        "CPUQuotaPeriodUSec": "200ms",
        "TasksMax": "infinity",
        "AllowedCPUs": "0",
    }
    assert systemd.show(unit, *names) == changed
    files = {"memory.max": str(128 * MIB), "cpu.max": "50000 200000", "pids.max": "max", "cpuset.cpus": "0"}
    assert {file: read(cgroup, file) for file in files} == files
    systemd.ok("update", "--resources", "-", container_id, input=json.dumps({"devices": [{"allow": False}]}))
    # The kernel refuses the last of these: then neither files nor properties have changed.
    refused = {"memory": {"limit": 256 * MIB}, "pids": {"limit": 7}, "cpu": {"cpus": "1000"}}
    result = systemd("update", "--resources", "-", container_id, input=json.dumps(refused))
    assert result.returncode == 1
    assert "cpu.cpus" in result.stderr
    assert systemd.show(unit, *names) == changed
    assert {file: read(cgroup, file) for file in files} == files
    assert systemd.show(unit, "DevicePolicy", "DeviceAllow") == devices
    systemd.systemctl("daemon-reload")
    assert {file: read(cgroup, file) for file in files} == files


def disks() -> "list[tuple[int, int]]":
    """Major and minor number of two virtual disks."""
    numbers = [path.read_text().split(":") for path in sorted(Path("/sys/block").glob("vd*/dev"))]
    if len(numbers) < 2:
        pytest.skip("needs two virtual disks")
    return [(int(major), int(minor)) for major, minor in numbers[:2]]


@pytest.mark.parametrize("any_major", [False, True])
def test_devices_outlive_a_daemon_reload(any_major: bool, bundle: BundleFactory, systemd: WithSystemd) -> None:
    """One that is allowed stays usable, one that is not stays forbidden; each with a node in the container.

    any_major: with a rule that systemd can only say as one for all disks, so that it alone would allow both.
    """
    allowed, denied = disks()
    made = bundle(SLEEP)
    made.config["linux"]["devices"] = [
        {"path": f"/dev/{name}", "type": "b", "major": major, "minor": minor, "fileMode": 0o600}
        for name, (major, minor) in (("allowed", allowed), ("denied", denied))
    ]
    rule = {"allow": True, "type": "b", "major": -1 if any_major else allowed[0], "minor": allowed[1], "access": "r"}
    made.config["linux"]["resources"]["devices"] = [{"allow": False, "access": "rwm"}, rule]
    container_id, _ = systemd.create(made.save())
    systemd.ok("start", container_id)

    def answers() -> "list[bool]":
        commands = ("<", "allowed"), (">", "allowed"), ("<", "denied")
        return [
            systemd("exec", container_id, "sh", "-c", f": {sign} /dev/{name}").returncode == 0
            for sign, name in commands
        ]

    entry = "block-* rm" if any_major else f"/dev/block/{allowed[0]}:{allowed[1]} r"
    assert entry in systemd.show(scope(container_id), "DeviceAllow")["DeviceAllow"].split(", ")
    assert answers() == [True, False, False]
    assert systemd.ok("exec", container_id, "sh", "-c", "echo x > /dev/null && head -c 1 /dev/zero").stdout == "\0"
    for _ in range(2):
        systemd.systemctl("daemon-reload")
        assert answers() == [True, False, False]
    # systemd looks at its rules anew when a property is set, too.
    systemd.systemctl("set-property", "--runtime", scope(container_id), "TasksMax=77")
    assert answers() == [True, False, False]


def test_every_device_allowed(bundle: BundleFactory, systemd: WithSystemd) -> None:
    made = limited(bundle, devices=[{"allow": True, "access": "rwm"}])
    container_id, _ = systemd.create(made)
    assert systemd.show(scope(container_id), "DevicePolicy", "DeviceAllow") == {"DevicePolicy": "auto"}


def test_annotations(bundle: BundleFactory, systemd: WithSystemd) -> None:
    made = bundle(SLEEP)
    made.config["annotations"] = {
        "org.systemd.property.TimeoutStopSec": "7",
        "org.systemd.property.CollectMode": "'inactive-or-failed'",
        "org.systemd.property.DefaultDependencies": "true",
    }
    container_id, _ = systemd.create(made.save())
    assert systemd.show(scope(container_id), "TimeoutStopUSec", "CollectMode", "DefaultDependencies") == {
        "TimeoutStopUSec": "7s",
        "CollectMode": "inactive-or-failed",
        "DefaultDependencies": "yes",
    }
    made.config["annotations"] = {"org.systemd.property.ExecStopPost": "'/bin/true'"}
    container_id = systemd.new_id()
    result = systemd("create", "--bundle", made.save(), container_id)
    assert result.returncode == 1
    assert "the unit property ExecStopPost is not one that an annotation may set" in result.stderr
    assert systemd.units(container_id) == []


def test_systemd_has_the_processes_of_exec_below(bundle: BundleFactory, systemd: WithSystemd) -> None:
    """A container that has cgroups of its own below the scope, and exec into one of them."""
    made = bundle(SLEEP)
    container_id, _ = systemd.create(made)
    systemd.ok("start", container_id)
    below = Path(f"/sys/fs/cgroup/system.slice/{scope(container_id)}/below")
    below.mkdir()
    inside = systemd.ok("exec", "--cgroup", "below", container_id, "cat", "/proc/self/cgroup").stdout
    assert inside == f"0::/system.slice/{scope(container_id)}/below\n"
    systemd.ok("delete", "--force", container_id)
    assert not below.exists()
