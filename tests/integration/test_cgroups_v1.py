"""Limits on real v1 hierarchies, and on the cgroup2 hierarchy of a hybrid host."""

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

pytestmark = [pytest.mark.root, pytest.mark.cgroup1]

MIB = 1 << 20


@pytest.fixture
def name() -> Iterator[str]:
    """A cgroupsPath of this test, gone afterwards."""
    top = f"/{prefix()}cgroups1"
    yield f"{top}/parent/container"
    cgroups.remove({name: mount + top for name, mount in detect().hierarchies.items()})


def value(plan: CgroupPlan, file: str, controller: str = "") -> str:
    return Path(plan.paths[controller or file.partition(".")[0]], file).read_text().strip()


def update(plan: CgroupPlan, **resources: Any) -> None:
    perform_all(plan_update(resources, plan.paths, detect()), None)  # type: ignore[arg-type]


def need(controller: str, file: str = "") -> None:
    mount = detect().hierarchies.get(controller)
    if mount is None or (file and not Path(mount, file).exists()):
        pytest.skip(f"this kernel has no {file or controller}")


def test_memory(name: str) -> None:
    plan = make(
        name,
        memory={
            "limit": 64 * MIB,
            "swap": 128 * MIB,
            "reservation": 32 * MIB,
            "kernelTCP": 16 * MIB,
            "swappiness": 10,
            "disableOOMKiller": True,
            "useHierarchy": True,
            "checkBeforeUpdate": True,
        },
    )
    assert value(plan, "memory.limit_in_bytes") == str(64 * MIB)
    assert value(plan, "memory.memsw.limit_in_bytes") == str(128 * MIB)
    assert value(plan, "memory.soft_limit_in_bytes") == str(32 * MIB)
    assert value(plan, "memory.kmem.tcp.limit_in_bytes") == str(16 * MIB)
    assert value(plan, "memory.swappiness") == "10"
    assert "oom_kill_disable 1" in value(plan, "memory.oom_control")


def test_memory_up_and_down(name: str) -> None:
    """The kernel wants memory <= memory+swap at every moment, whichever way both go."""
    plan = make(name, memory={"limit": 64 * MIB, "swap": 64 * MIB})
    for limit, swap in ((256, 512), (32, 48), (40, 400), (300, 300)):
        update(plan, memory={"limit": limit * MIB, "swap": swap * MIB})
        assert value(plan, "memory.limit_in_bytes") == str(limit * MIB)
        assert value(plan, "memory.memsw.limit_in_bytes") == str(swap * MIB)
    update(plan, memory={"limit": -1})
    assert int(value(plan, "memory.memsw.limit_in_bytes")) > 1 << 50
    with pytest.raises(PyruncError) as caught:
        update(plan, memory={"limit": 64 * MIB, "swap": 32 * MIB})
    assert caught.value.place == "linux.resources.memory.swap"
    assert "memory.memsw.limit_in_bytes: invalid argument" in str(caught.value)


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
        if "\n" not in Path("/proc/swaps").read_text().strip():
            with pytest.raises(PyruncError, match=r"unable to set memory limit to 4194304 \(current usage: \d+, peak"):
                update(plan, memory={"limit": 4 * MIB})
        process.kill()


def test_cpu(name: str) -> None:
    plan = make(name, cpu={"shares": 512, "quota": 50000, "period": 100000, "burst": 1000})
    assert value(plan, "cpu.shares") == "512"
    assert value(plan, "cpu.cfs_quota_us") == "50000"
    assert value(plan, "cpu.cfs_period_us") == "100000"
    assert value(plan, "cpu.cfs_burst_us") == "1000"
    for quota, period, burst in ((2000, 2000, 2000), (500000, 1000000, 400000), (20000, 100000, 0)):
        update(plan, cpu={"quota": quota, "period": period, "burst": burst})
        assert (value(plan, "cpu.cfs_quota_us"), value(plan, "cpu.cfs_burst_us")) == (str(quota), str(burst))
    update(plan, cpu={"quota": -1})
    assert value(plan, "cpu.cfs_quota_us") == "-1"


def test_idle(name: str) -> None:
    need("cpu", "cpu.idle")
    plan = make(name, cpu={"shares": 512, "idle": 1})
    assert value(plan, "cpu.idle") == "1"
    update(plan, cpu={"shares": 256, "idle": 0})
    assert (value(plan, "cpu.idle"), value(plan, "cpu.shares")) == ("0", "256")


def test_realtime(name: str) -> None:
    need("cpu", "cpu.rt_runtime_us")
    with pytest.raises(PyruncError) as caught:  # the parents that were made for it have no time to give
        make(name, cpu={"realtimePeriod": 1000000, "realtimeRuntime": 500})
    assert caught.value.place == "linux.resources.cpu.realtimeRuntime"
    top = f"/{name.split('/')[1]}"
    cgroups.remove({name: mount + top for name, mount in detect().hierarchies.items()})
    plan = make(top, cpu={"realtimePeriod": 1000000, "realtimeRuntime": 500})
    assert value(plan, "cpu.rt_runtime_us") == "500"


def test_cpuset(name: str) -> None:
    plan = make(name)
    for file in ("cpuset.cpus", "cpuset.mems"):
        assert value(plan, file) == Path(detect().hierarchies["cpuset"], file).read_text().strip()
    update(plan, cpu={"cpus": "0", "mems": "0"})
    assert value(plan, "cpuset.cpus") == "0"
    with pytest.raises(PyruncError) as caught:
        update(plan, cpu={"cpus": "4095"})
    assert caught.value.place == "linux.resources.cpu.cpus"


def test_cpuset_with_empty_parents(name: str) -> None:
    """Made by somebody who did not fill them."""
    parent = detect().hierarchies["cpuset"] + os.path.dirname(name)
    os.makedirs(parent + "/container")
    plan = make(name)
    assert value(plan, "cpuset.cpus") != ""
    assert Path(parent, "cpuset.mems").read_text().strip() != ""


@pytest.mark.parametrize(("limit", "expected"), [(5, "5"), (0, "0"), (-1, "max")])
def test_pids(name: str, limit: int, expected: str) -> None:
    assert value(make(name, pids={"limit": limit}), "pids.max") == expected


def test_block_io(name: str) -> None:
    disk = next((path for path in sorted(Path("/sys/block").iterdir()) if "loop" not in path.name), None)
    if disk is None:
        pytest.skip("there is no block device")
    major, minor = (int(number) for number in (disk / "dev").read_text().split(":"))
    entry = {"major": major, "minor": minor, "rate": 1048576}
    plan = make(name, blockIO={"throttleReadBpsDevice": [entry], "throttleWriteIOPSDevice": [entry]})
    assert value(plan, "blkio.throttle.read_bps_device") == f"{major}:{minor} 1048576"
    assert value(plan, "blkio.throttle.write_iops_device") == f"{major}:{minor} 1048576"


def test_a_file_that_the_kernel_does_not_have(name: str) -> None:
    if Path(detect().hierarchies["blkio"], "blkio.leaf_weight").exists():
        pytest.skip("this kernel has leaf weights")
    plan = plan_cgroup({"linux": {"cgroupsPath": name, "resources": {"blockIO": {"leafWeight": 10}}}}, "i", detect())
    perform_all(plan.create, None)  # type: ignore[arg-type]
    with pytest.raises(PyruncError) as caught:
        perform_all(plan.limits, None)  # type: ignore[arg-type]
    assert caught.value.place == "linux.resources.blockIO.leafWeight"
    assert "blkio.leaf_weight: no such file or directory" in str(caught.value)


def test_hugepages(name: str) -> None:
    layout = detect()
    sizes = sorted(path.name for path in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"))
    if "hugepages-2048kB" not in sizes or not ("hugetlb" in layout.hierarchies or on_unified("hugetlb")):
        pytest.skip("this kernel has no hugetlb controller, or no pages of 2 MB")
    plan = make(name, hugepageLimits=[{"pageSize": "2MB", "limit": 4 * MIB}])
    if "hugetlb" in layout.hierarchies:
        assert value(plan, "hugetlb.2MB.limit_in_bytes") == str(4 * MIB)
    else:
        assert value(plan, "hugetlb.2MB.max", "unified") == str(4 * MIB)
        assert value(plan, "hugetlb.2MB.rsvd.max", "unified") == str(4 * MIB)
    with pytest.raises(PyruncError) as caught:
        update(plan, hugepageLimits=[{"pageSize": "3MB", "limit": 1}])
    assert caught.value.place == "linux.resources.hugepageLimits[0]"


def on_unified(controller: str) -> bool:
    mount = detect().hierarchies.get("unified")
    return mount is not None and controller in Path(mount, "cgroup.controllers").read_text().split()


def test_a_controller_that_nobody_has(name: str) -> None:
    if on_unified("rdma") or "rdma" in detect().hierarchies:
        pytest.skip("this kernel has the rdma controller")
    with pytest.raises(PyruncError) as caught:
        make(name, rdma={"mlx5_1": {"hcaHandles": 3}})
    assert caught.value.place == "linux.resources.rdma.mlx5_1"
    assert "controller is not available" in str(caught.value)


def test_devices(name: str, tmp_path: Path) -> None:
    for minor in (3, 5, 11):
        os.mknod(tmp_path / str(minor), 0o20666, os.makedev(1, minor))
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]
    plan = make(name, devices=rules)
    assert open_in(plan, tmp_path / "5", os.O_RDWR) == 0  # zero, by the default rules
    assert open_in(plan, tmp_path / "11", os.O_RDONLY | os.O_NONBLOCK) == 0  # kmsg
    assert open_in(plan, tmp_path / "11", os.O_WRONLY) == 1  # EPERM
    listed = value(plan, "devices.list").splitlines()
    assert "c 1:11 r" in listed
    assert "c *:* m" in listed
    privileged = make(f"{os.path.dirname(name)}/privileged", devices=[{"allow": True, "access": "rwm"}])
    assert value(privileged, "devices.list") == "a *:* rwm"


def test_no_device_list_means_the_default_devices(name: str) -> None:
    assert "a *:* rwm" not in value(make(name), "devices.list")


def test_device_filter_on_the_cgroup2_side(name: str, tmp_path: Path) -> None:
    """The eBPF program of v2, on the hierarchy that a hybrid host has: attached, and replaced by the next one."""
    from pyrunc.cgroups.device_filter import AttachDeviceFilter, attached
    from pyrunc.cgroups.files import open_cgroup

    need("unified")
    os.mknod(tmp_path / "zero", 0o20666, os.makedev(1, 5))
    plan = make(name, devices=[{"allow": True, "access": "rwm"}])
    directory = plan.paths["unified"]
    everything = (True, "a", -1, -1, "rwm")
    for rules, read, write in (
        ([everything, (False, "c", 1, 5, "rwm")], 1, 1),
        ([everything, (False, "c", 1, 5, "w")], 0, 1),
        ([(True, "c", 1, 5, "r")], 0, 1),
        ([everything], 0, 0),
    ):
        AttachDeviceFilter(directory, rules).perform(None)
        fd = open_cgroup(directory)
        assert len(attached(fd)) == 1
        os.close(fd)
        assert open_in(plan, tmp_path / "zero", os.O_RDONLY) == read
        assert open_in(plan, tmp_path / "zero", os.O_WRONLY) == write


def test_device_filter_takes_the_place_of_several(name: str) -> None:
    from pyrunc.cgroups import device_filter

    need("unified")
    plan = make(name)
    fd = os.open(plan.paths["unified"], os.O_RDONLY)
    try:
        for count in (3, 4):
            program = device_filter.load(device_filter.device_program([(True, "c", 1, count, "r")]))
            flags = device_filter.BPF_F_ALLOW_MULTI
            device_filter.bpf(8, device_filter.u32(fd, program, device_filter.BPF_CGROUP_DEVICE, flags))
            os.close(program)
        assert len(device_filter.attached(fd)) == 2
        device_filter.replace_filters(fd, device_filter.device_program([]))
        assert len(device_filter.attached(fd)) == 1
    finally:
        os.close(fd)


def test_a_program_that_the_verifier_refuses() -> None:
    from pyrunc.cgroups import device_filter

    with pytest.raises(PyruncError) as caught:
        device_filter.load(device_filter.instruction(device_filter.EXIT))
    assert "R0" in caught.value.hint
