"""Limits on a real cgroup2 hierarchy: runs on hosts (and in the test guest) where that is all there is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cgroups
from pyrunc.cgroups import CgroupPlan, detect, plan_cgroup, plan_update
from pyrunc.errors import PyruncError
from pyrunc.operations.base import perform_all
from tests.support.leaks import prefix
from tests.support.limits import make, open_in

pytestmark = [pytest.mark.root, pytest.mark.cgroup2]

MIB = 1 << 20
ROOT = Path("/sys/fs/cgroup")


@pytest.fixture
def name() -> Iterator[str]:
    """A cgroupsPath of this test, gone afterwards."""
    top = f"/{prefix()}cgroups2"
    yield f"{top}/parent/container"
    cgroups.remove({"unified": f"{ROOT}{top}"})


def update(plan: CgroupPlan, **resources: Any) -> None:
    perform_all(plan_update(resources, plan.paths, detect()), None)  # type: ignore[arg-type]


def value(plan: CgroupPlan, file: str) -> str:
    return Path(plan.paths["unified"], file).read_text().strip()


def need(controller: str) -> None:
    if controller not in (ROOT / "cgroup.controllers").read_text().split():
        pytest.skip(f"this kernel has no {controller} controller")


def test_every_controller_is_handed_down(name: str) -> None:
    """For statistics and for limits that come later, also when nothing is asked for now."""
    offered = (ROOT / "cgroup.controllers").read_text().split()
    assert set(value(make(name), "cgroup.controllers").split()) == set(offered)


def test_memory(name: str) -> None:
    plan = make(name, memory={"limit": 64 * MIB, "swap": 128 * MIB, "reservation": 32 * MIB})
    assert value(plan, "memory.max") == str(64 * MIB)
    assert value(plan, "memory.low") == str(32 * MIB)
    if Path(plan.paths["unified"], "memory.swap.max").exists():
        assert value(plan, "memory.swap.max") == str(64 * MIB)
    update(plan, memory={"limit": -1})
    assert value(plan, "memory.max") == "max"
    with pytest.raises(PyruncError, match="unable to set swap limit without memory limit"):
        update(plan, memory={"swap": 64 * MIB})


def test_memory_in_use(name: str) -> None:
    plan = make(name)
    program = f"x = b'x' * {24 * MIB}; print(flush=True); input()"
    with subprocess.Popen(
        ["sh", "-c", f'read go; exec "{sys.executable}" -c "{program}"'], stdin=-1, stdout=-1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        cgroups.attach(plan.paths, process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        with pytest.raises(PyruncError, match="rejecting memory limit 4194304 <= usage"):
            update(plan, memory={"limit": 4 * MIB, "checkBeforeUpdate": True})
        process.kill()


def test_cpu(name: str) -> None:
    plan = make(name, cpu={"shares": 1024, "quota": 50000, "period": 100000, "burst": 1000})
    assert value(plan, "cpu.weight") == "100"
    assert value(plan, "cpu.max") == "50000 100000"
    assert value(plan, "cpu.max.burst") == "1000"
    for quota, burst in ((2000, 2000), (500000, 400000), (20000, 0)):
        update(plan, cpu={"quota": quota, "burst": burst})
        assert (value(plan, "cpu.max"), value(plan, "cpu.max.burst")) == (f"{quota} 100000", str(burst))
    update(plan, cpu={"quota": -1, "period": 200000})
    assert value(plan, "cpu.max") == "max 200000"
    update(plan, cpu={"shares": 2, "idle": 1})
    assert value(plan, "cpu.idle") == "1"
    update(plan, cpu={"shares": 262144, "idle": 0})
    assert value(plan, "cpu.weight") == "10000"


def test_cpuset_and_pids(name: str) -> None:
    plan = make(name, cpu={"cpus": "0", "mems": "0"}, pids={"limit": 0})
    assert (value(plan, "cpuset.cpus"), value(plan, "cpuset.mems"), value(plan, "pids.max")) == ("0", "0", "0")
    with subprocess.Popen(["sleep", "60"]) as process:
        cgroups.attach(plan.paths, process.pid)  # a limit of 0 forbids forks, not being moved
        process.kill()
    update(plan, pids={"limit": -1})
    assert value(plan, "pids.max") == "max"


def test_block_io(name: str) -> None:
    need("io")
    disk = next(path for path in sorted(Path("/sys/block").iterdir()) if "loop" not in path.name)
    major, minor = (int(number) for number in (disk / "dev").read_text().split(":"))
    entry = {"major": major, "minor": minor, "rate": 1048576}
    plan = make(name, blockIO={"throttleReadBpsDevice": [entry], "throttleWriteIOPSDevice": [entry]})
    assert value(plan, "io.max") == f"{major}:{minor} rbps=1048576 wbps=max riops=max wiops=1048576"
    update(plan, blockIO={"throttleReadBpsDevice": [{**entry, "rate": 0}]})
    assert "rbps=max" in value(plan, "io.max")
    if not any(Path(plan.paths["unified"], file).exists() for file in ("io.bfq.weight", "io.weight")):
        with pytest.raises(PyruncError) as caught:
            update(plan, blockIO={"weight": 100})
        assert caught.value.place == "linux.resources.blockIO.weight"
    else:
        update(plan, blockIO={"weight": 100})


def test_hugepages(name: str) -> None:
    need("hugetlb")
    plan = make(name, hugepageLimits=[{"pageSize": "2MB", "limit": 4 * MIB}])
    assert value(plan, "hugetlb.2MB.max") == str(4 * MIB)
    assert value(plan, "hugetlb.2MB.rsvd.max") == str(4 * MIB)


def test_unified(name: str) -> None:
    plan = make(name, memory={"limit": 64 * MIB}, unified={"memory.high": "33554432", "pids.max": "7\n"})
    assert (value(plan, "memory.high"), value(plan, "pids.max")) == ("33554432", "7")
    for file, controller in (("nothing.max", "nothing"), ("memory.nothing", None)):
        with pytest.raises(PyruncError) as caught:
            update(plan, unified={file: "1"})
        assert caught.value.place == f"linux.resources.unified['{file}']"
        if controller:
            assert f"the {controller} controller is not available" in caught.value.reason


def test_a_parent_with_processes_hands_nothing_down(name: str) -> None:
    """The kernel's rule about inner processes, in words."""
    top = ROOT / name.split("/")[1]
    top.mkdir()
    with subprocess.Popen(["sleep", "60"]) as process:
        (top / "cgroup.procs").write_text(str(process.pid))
        with pytest.raises(PyruncError) as caught:
            make(name, memory={"limit": 64 * MIB})
        process.kill()
    assert caught.value.place == "linux.resources.memory.limit"
    assert "with domain controllers -- it is in domain invalid mode" in caught.value.reason
    assert f"{top}/cgroup.subtree_control" in caught.value.hint


def test_below_a_threaded_cgroup(name: str) -> None:
    parent = ROOT / name[1:].rpartition("/")[0]
    parent.mkdir(parents=True)
    (parent / "cgroup.type").write_text("threaded")
    with pytest.raises(PyruncError, match=r"cannot enter cgroupv2 .* with domain controllers"):
        make(name, memory={"limit": 64 * MIB})
    plan = make(name)
    assert value(plan, "cgroup.type") == "threaded"


def test_devices(name: str) -> None:
    zero, kmsg = Path("/dev/zero"), Path("/dev/kmsg")
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]
    plan = make(name, devices=rules)
    assert open_in(plan, zero, os.O_RDWR) == 0
    assert open_in(plan, kmsg, os.O_RDONLY | os.O_NONBLOCK) == 0
    assert open_in(plan, kmsg, os.O_WRONLY) == 1
    make(name, devices=[{"allow": True, "access": "rwm"}])  # again, in its place
    assert open_in(plan, kmsg, os.O_WRONLY) == 0


def test_exec_where_the_container_manages_its_cgroup(name: str) -> None:
    """Its processes are in cgroups below, whose controllers keep the top free of processes."""
    plan = make(name)
    top = Path(plan.paths["unified"])
    (top / "init").mkdir()
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        (top / "init/cgroup.procs").write_text(str(first.pid))
        (top / "cgroup.subtree_control").write_text("+memory")
        with pytest.raises(PyruncError, match="device or resource busy"):
            cgroups.attach(plan.paths, second.pid)
        cgroups.attach(plan.paths, second.pid, beside=first.pid)
        assert sorted(cgroups.processes(plan.paths)) == sorted([first.pid, second.pid])
        cgroups.remove(plan.paths)
        assert (first.wait(10), second.wait(10)) == (-9, -9)


def test_ownership(name: str) -> None:
    config = {
        "process": {"user": {"uid": 5}},
        "mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}],
        "linux": {
            "cgroupsPath": name,
            "namespaces": [{"type": "cgroup"}, {"type": "user"}],
            "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
        },
    }
    plan = plan_cgroup(config, "id", detect())
    perform_all(plan.create, None)  # type: ignore[arg-type]
    top = Path(plan.paths["unified"])
    assert top.stat().st_uid == (top / "cgroup.procs").stat().st_uid == 100005
    assert (top / "memory.max").stat().st_uid == 0, "limits stay the host's"
