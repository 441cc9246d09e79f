"""Every resource field of the specification, as the files that it becomes on v1 and on v2."""

from typing import Any

import pytest

from pyrunc.cgroups import v1, v2
from pyrunc.errors import PyruncError

NOTHING: "dict[str, dict[str, Any]]" = {
    "empty": {},
    "docker": {
        "memory": {"disableOOMKiller": False, "limit": 0, "reservation": 0, "swap": 0, "kernel": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "cpus": "", "mems": ""},
        "blockIO": {"weight": 0, "throttleReadBpsDevice": []},
        "network": {"classID": 0, "priorities": []},
    },
}


def steps(version: Any, resources: "dict[str, Any]") -> "list[str]":
    done = []
    for writer in version.WRITERS.values():
        done += [step.describe().replace("/D/", "") for step in writer(resources, "/D")]
    return done


@pytest.mark.parametrize("version", [v1, v2])
@pytest.mark.parametrize("resources", NOTHING.values(), ids=NOTHING.keys())
def test_nothing_asked(version: Any, resources: "dict[str, Any]") -> None:
    assert steps(version, resources) == []


CASES: "list[tuple[dict[str, Any], list[str] | str, list[str] | str]]" = [
    ({"memory": {"limit": 64}}, ["write '64' to memory.limit_in_bytes in /D"], ["write '64' to memory.max"]),
    (
        {"memory": {"limit": 64, "swap": 100}},
        ["write '64' to memory.limit_in_bytes, '100' to memory.memsw.limit_in_bytes in /D"],
        ["write '36' to memory.swap.max", "write '64' to memory.max"],
    ),
    (
        {"memory": {"limit": -1}},
        ["write '-1' to memory.memsw.limit_in_bytes", "write '-1' to memory.limit_in_bytes in /D"],
        ["write 'max' to memory.swap.max", "write 'max' to memory.max"],
    ),
    (
        {"memory": {"limit": 64, "swap": 100, "checkBeforeUpdate": True}},
        [
            "check that memory.memsw.usage_in_bytes is below 100",
            "check that memory.usage_in_bytes is below 64",
            "write '64' to memory.limit_in_bytes, '100' to memory.memsw.limit_in_bytes in /D",
        ],
        [
            "check that memory.current is below 100",
            "check that memory.current is below 64",
            "write '36' to memory.swap.max",
            "write '64' to memory.max",
        ],
    ),
    (
        {"memory": {"reservation": 32}},
        ["write '32' to memory.soft_limit_in_bytes"],
        ["write '32' to memory.low"],
    ),
    ({"memory": {"kernel": 32}}, [], []),  # the kernel has no such limit any more: runc ignores it too
    (
        {"memory": {"kernelTCP": 32}},
        ["write '32' to memory.kmem.tcp.limit_in_bytes"],
        "linux.resources.memory.kernelTCP",
    ),
    ({"memory": {"swappiness": 0}}, ["write '0' to memory.swappiness"], "linux.resources.memory.swappiness"),
    ({"memory": {"swappiness": -1}}, [], []),
    ({"memory": {"swappiness": 101}}, "linux.resources.memory.swappiness", "linux.resources.memory.swappiness"),
    (
        {"memory": {"disableOOMKiller": True}},
        ["write '1' to memory.oom_control"],
        "linux.resources.memory.disableOOMKiller",
    ),
    ({"memory": {"useHierarchy": True}}, ["write '1' to memory.use_hierarchy"], []),
    (
        {"memory": {"useHierarchy": False}},
        ["write '0' to memory.use_hierarchy"],
        "linux.resources.memory.useHierarchy",
    ),
    ({"cpu": {"shares": 1024}}, ["write '1024' to cpu.shares"], ["write '100' to cpu.weight"]),
    ({"cpu": {"shares": 1}}, "linux.resources.cpu.shares", ["write '1' to cpu.weight"]),
    ({"cpu": {"shares": 262145}}, "linux.resources.cpu.shares", ["write '10000' to cpu.weight"]),
    (
        {"cpu": {"quota": 50, "period": 100, "burst": 5}},
        ["write '100' to cpu.cfs_period_us, '5' to cpu.cfs_burst_us, '50' to cpu.cfs_quota_us in /D"],
        ["write '5' to cpu.max.burst, '50 100' to cpu.max in /D"],
    ),
    ({"cpu": {"quota": -1}}, ["write '-1' to cpu.cfs_quota_us in /D"], ["write 'max 100000' to cpu.max in /D"]),
    ({"cpu": {"burst": 0}}, ["write '0' to cpu.cfs_burst_us in /D"], ["write '0' to cpu.max.burst in /D"]),
    (
        {"cpu": {"realtimeRuntime": 95, "realtimePeriod": 100}},
        ["write '100' to cpu.rt_period_us, '95' to cpu.rt_runtime_us in /D"],
        "linux.resources.cpu.realtimeRuntime",
    ),
    (
        {"cpu": {"idle": 1, "shares": 4}},
        ["write '4' to cpu.shares", "write '1' to cpu.idle"],
        ["write '2' to cpu.weight", "write '1' to cpu.idle"],
    ),
    (
        {"cpu": {"idle": 0, "shares": 1024}},
        ["write '0' to cpu.idle", "write '1024' to cpu.shares"],
        ["write '0' to cpu.idle", "write '100' to cpu.weight"],
    ),
    (
        {"cpu": {"cpus": "0-1", "mems": "0"}},
        ["write '0-1' to cpuset.cpus", "write '0' to cpuset.mems"],
        ["write '0-1' to cpuset.cpus", "write '0' to cpuset.mems"],
    ),
    ({"pids": {"limit": 5}}, ["write '5' to pids.max"], ["write '5' to pids.max"]),
    ({"pids": {"limit": 0}}, ["write '0' to pids.max"], ["write '0' to pids.max"]),
    ({"pids": {"limit": -1}}, ["write 'max' to pids.max"], ["write 'max' to pids.max"]),
    (
        {"blockIO": {"weight": 500}},
        ["write '500' to blkio.weight or write '500' to blkio.bfq.weight"],
        ["write '500' to io.bfq.weight or write '4950' to io.weight"],
    ),
    ({"blockIO": {"leafWeight": 5}}, ["write '5' to blkio.leaf_weight"], "linux.resources.blockIO.leafWeight"),
    (
        {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 10}]}},
        ["write '8:0 10' to blkio.weight_device or write '8:0 10' to blkio.bfq.weight_device"],
        ["write '8:0 10' to io.bfq.weight or write '8:0 1' to io.weight"],
    ),
    (
        {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 10}]}},
        ["write '8:0 10' to blkio.leaf_weight_device"],
        "linux.resources.blockIO.weightDevice[0].leafWeight",
    ),
    (
        {
            "blockIO": {
                "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}],
                "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2}],
                "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 3}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 0}],
            }
        },
        [
            "write '8:0 1' to blkio.throttle.read_bps_device",
            "write '8:0 2' to blkio.throttle.write_bps_device",
            "write '8:0 3' to blkio.throttle.read_iops_device",
            "write '8:0 0' to blkio.throttle.write_iops_device",
        ],
        [
            "write '8:0 rbps=1' to io.max",
            "write '8:0 wbps=2' to io.max",
            "write '8:0 riops=3' to io.max",
            "write '8:0 wiops=max' to io.max",
        ],
    ),
    (
        {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]},
        ["write '0' to hugetlb.2MB.limit_in_bytes", "write '0' to hugetlb.2MB.rsvd.limit_in_bytes"],
        ["write '0' to hugetlb.2MB.max", "write '0' to hugetlb.2MB.rsvd.max"],
    ),
    (
        {"network": {"classID": 1048577}},
        ["write '1048577' to net_cls.classid"],
        "linux.resources.network.classID",
    ),
    (
        {"network": {"priorities": [{"name": "eth0", "priority": 5}]}},
        ["write 'eth0 5' to net_prio.ifpriomap"],
        "linux.resources.network.priorities",
    ),
    (
        {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 0}}},
        ["write 'mlx5_1 hca_handle=3 hca_object=0' to rdma.max"],
        ["write 'mlx5_1 hca_handle=3 hca_object=0' to rdma.max"],
    ),
]


@pytest.mark.parametrize(("resources", "on_v1", "on_v2"), CASES, ids=[str(case[0]) for case in CASES])
def test_fields(resources: "dict[str, Any]", on_v1: "list[str] | str", on_v2: "list[str] | str") -> None:
    """A list is what is written; a text is the place that the error names."""
    for version, expected in ((v1, on_v1), (v2, on_v2)):
        if isinstance(expected, str):
            with pytest.raises(PyruncError) as caught:
                steps(version, resources)
            assert caught.value.place == expected
        else:
            assert steps(version, resources) == expected


BAD_NAMES = ["../x", "a/b", "", "\n", "a\nb", ".", "..", ".x", "a b", "-x"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_would_leave_the_cgroup(name: str) -> None:
    for version in (v1, v2):
        for resources in (
            {"hugepageLimits": [{"pageSize": name, "limit": 1}]},
            {"rdma": {name: {"hcaHandles": 1}}},
        ):
            with pytest.raises(PyruncError, match="is not a valid name"):
                steps(version, resources)
    with pytest.raises(PyruncError, match=r"CONTROLLER\.PARAMETER"):
        v2.unified({"unified": {f"memory.{name}" if name in ("../x", "a/b", "a\nb") else name: "1"}}, "/D")


@pytest.mark.parametrize("name", ["", "eth0 1", "eth0\neth1", " "])
def test_interfaces_that_would_be_more_than_one_word(name: str) -> None:
    with pytest.raises(PyruncError, match="is not the name of a network interface"):
        v1.net_prio({"network": {"priorities": [{"name": name, "priority": 1}]}}, "/D")


def test_unified() -> None:
    resources = {"unified": {"io.max": "8:0 rbps=1\n 8:16 wbps=2\n", "cgroup.max.depth": "3"}}
    assert [step.describe() for step in v2.unified(resources, "/D")] == [
        "write '8:0 rbps=1' to /D/io.max",
        "write '8:16 wbps=2' to /D/io.max",
        "write '3' to /D/cgroup.max.depth",
    ]
    assert v2.unified_controllers(resources) == {"io": "linux.resources.unified['io.max']"}


@pytest.mark.parametrize("file", ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type"])
def test_unified_is_for_limits(file: str) -> None:
    with pytest.raises(PyruncError, match="is not a limit"):
        v2.unified({"unified": {file: "0"}}, "/D")


def test_swap_without_limit_on_v2() -> None:
    with pytest.raises(PyruncError) as caught:
        v2.memory({"memory": {"swap": 5}}, "/D")
    assert str(caught.value) == "linux.resources.memory.swap: unable to set swap limit without memory limit"
