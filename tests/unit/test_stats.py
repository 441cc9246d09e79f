"""Statistics from cgroup files, v1's and v2's, written out here as kernels have them; durations of --interval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pyrunc.cgroups.stats import NO_LIMIT, collect, list_of, pressure
from pyrunc.commands.events import parse_duration
from pyrunc.options import UsageError

PRESSURE = "some avg10=1.50 avg60=0.20 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=56\n"
FIGURES = {
    "some": {"avg10": 1.5, "avg60": 0.2, "avg300": 0.0, "total": 1234},
    "full": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 56},
}
NO_CPUSET_FLAGS = dict.fromkeys(
    (
        "cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
        "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level",
    ),
    0,
)  # fmt: skip
NOTHING: dict[str, Any] = {
    "cpu": {"usage": {"kernel": 0, "user": 0}, "throttling": {}},
    "cpuset": NO_CPUSET_FLAGS,
    "memory": {kind: {"limit": 0, "failcnt": 0} for kind in ("usage", "swap", "kernel", "kernelTCP")},
    "pids": {},
    "blkio": {},
    "hugetlb": {},
    "intel_rdt": {},
    "network_interfaces": None,
}


def tree(folder: Path, files: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A directory with these files for each controller."""
    paths = {}
    for controller, contents in files.items():
        (folder / controller).mkdir()
        for name, text in contents.items():
            (folder / controller / name).write_text(text)
        paths[controller] = str(folder / controller)
    return paths


def test_v1(tmp_path: Path) -> None:
    memory = {
        f"memory{kind}.{name}": f"{number}\n"
        for first, kind in ((10, ""), (20, ".memsw"), (30, ".kmem"), (0, ".kmem.tcp"))
        for number, name in enumerate(("limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt"), first)
    }
    paths = tree(
        tmp_path,
        {
            "cpu": {"cpu.stat": "nr_periods 5\nnr_throttled 2\nthrottled_time 700\nwait_sum 9\n"},
            "cpuacct": {
                "cpuacct.usage": "3000\n",
                "cpuacct.usage_percpu": "1000 2000 \n",
                "cpuacct.usage_all": "cpu user system\n0 600 400\n1 1500 500\n",
                "cpuacct.stat": "user 3\nsystem 2\n",
            },
            "cpuset": {
                "cpuset.cpus": "0-1,4\n",
                "cpuset.mems": "0\n",
                "cpuset.cpu_exclusive": "0\n",
                "cpuset.sched_load_balance": "1\n",
                "cpuset.sched_relax_domain_level": "-1\n",
            },
            "memory": {**memory, "memory.stat": "rss 2\ncache 1\ntotal_cache 3\n"},
            "pids": {"pids.current": "4\n", "pids.max": "99\n"},
            "blkio": {
                "blkio.bfq.io_service_bytes_recursive": "",
                "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Total 4096\n8:16 Write 0\nTotal 5\n",
                "blkio.bfq.io_serviced_recursive": "8:0 Read 1\nTotal 1\n",
                "blkio.throttle.io_serviced_recursive": "8:0 Read 2\n",
                "blkio.bfq.time_recursive": "8:0 77\n",
            },
            "hugetlb": {
                "hugetlb.2MB.usage_in_bytes": "2\n",
                "hugetlb.2MB.max_usage_in_bytes": "3\n",
                "hugetlb.2MB.failcnt": "4\n",
                "hugetlb.2MB.rsvd.usage_in_bytes": "5\n",
            },
            "unified": {"cpu.pressure": PRESSURE, "io.pressure": PRESSURE, "memory.pressure": PRESSURE},
        },
    )
    assert collect(paths) == {
        "cpu": {
            "usage": {
                "total": 3000,
                "percpu": [1000, 2000],
                "percpu_kernel": [400, 500],
                "percpu_user": [600, 1500],
                "kernel": 20_000_000,
                "user": 30_000_000,
            },
            "throttling": {"periods": 5, "throttledPeriods": 2, "throttledTime": 700},
            "psi": FIGURES,
        },
        "cpuset": {
            **NO_CPUSET_FLAGS,
            "cpus": [0, 1, 4],
            "mems": [0],
            "sched_load_balance": 1,
            "sched_relax_domain_level": -1,
        },
        "memory": {
            "cache": 1,
            "usage": {"limit": 10, "usage": 11, "max": 12, "failcnt": 13},
            "swap": {"limit": 20, "usage": 21, "max": 22, "failcnt": 23},
            "kernel": {"limit": 30, "usage": 31, "max": 32, "failcnt": 33},
            "kernelTCP": {"limit": 0, "usage": 1, "max": 2, "failcnt": 3},
            "raw": {"cache": 1, "rss": 2, "total_cache": 3},
            "psi": FIGURES,
        },
        "pids": {"current": 4, "limit": 99},
        "blkio": {
            "ioServiceBytesRecursive": [
                {"major": 8, "op": "Read", "value": 4096},
                {"major": 8, "op": "Total", "value": 4096},
                {"major": 8, "minor": 16, "op": "Write"},
            ],
            "ioServicedRecursive": [{"major": 8, "op": "Read", "value": 1}],
            "ioTimeRecursive": [{"major": 8, "value": 77}],
            "psi": FIGURES,
        },
        "hugetlb": {"2MB": {"usage": 2, "max": 3, "failcnt": 4}},
        "intel_rdt": {},
        "network_interfaces": None,
    }


def test_v2(tmp_path: Path) -> None:
    files = {
        "cpu.stat": "usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_periods 4\nnr_throttled 5\nthrottled_usec 6\n",
        "cpu.pressure": PRESSURE,
        "cpuset.cpus.effective": "0-1\n",
        "cpuset.mems.effective": "0\n",
        "memory.stat": "anon 7\nfile 8\nkernel 9\nsock 10\n",
        "memory.max": "1000\n",
        "memory.current": "11\n",
        "memory.peak": "12\n",
        "memory.events": "low 0\nhigh 0\nmax 13\noom 1\noom_kill 1\n",
        "memory.swap.max": "max\n",
        "memory.swap.current": "14\n",
        "pids.current": "15\n",
        "pids.max": "max\n",
        "io.stat": "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n8:0 \n",
        "hugetlb.2MB.current": "16\n",
        "hugetlb.2MB.events": "max 17\n",
        "hugetlb.2MB.rsvd.current": "18\n",
    }
    assert collect(tree(tmp_path, {"unified": files})) == {
        "cpu": {
            "usage": {"total": 3000, "kernel": 1000, "user": 2000},
            "throttling": {"periods": 4, "throttledPeriods": 5, "throttledTime": 6000},
            "psi": FIGURES,
        },
        "cpuset": {**NO_CPUSET_FLAGS, "cpus": [0, 1], "mems": [0]},
        "memory": {
            "cache": 8,
            "usage": {"limit": 1000, "usage": 11, "max": 12, "failcnt": 13},
            "swap": {"limit": NO_LIMIT, "usage": 25, "failcnt": 0},
            "kernel": {"limit": 0, "usage": 9, "failcnt": 0},
            "kernelTCP": {"limit": 0, "usage": 10, "failcnt": 0},
            "raw": {"anon": 7, "file": 8, "kernel": 9, "sock": 10},
        },
        "pids": {"current": 15},
        "blkio": {
            "ioServiceBytesRecursive": [
                {"major": 8, "minor": 16, "op": "Read", "value": 1},
                {"major": 8, "minor": 16, "op": "Write", "value": 2},
                {"major": 8, "minor": 16, "op": "Discard", "value": 5},
            ],
            "ioServicedRecursive": [
                {"major": 8, "minor": 16, "op": "Read", "value": 3},
                {"major": 8, "minor": 16, "op": "Write", "value": 4},
                {"major": 8, "minor": 16, "op": "Discard", "value": 6},
            ],
        },
        "hugetlb": {"2MB": {"usage": 16, "failcnt": 17}},
        "intel_rdt": {},
        "network_interfaces": None,
    }


def test_swap_with_limits(tmp_path: Path) -> None:
    files = {"memory.max": "100\n", "memory.swap.max": "50\n", "memory.current": "10\n", "memory.swap.current": "5\n"}
    assert collect(tree(tmp_path, {"unified": files}))["memory"]["swap"] == {"limit": 150, "usage": 15, "failcnt": 0}


def test_without_cgroups(tmp_path: Path) -> None:
    """A rootless container may have none; and one that has just been removed has no files."""
    assert collect({}) == NOTHING
    gone = {name: str(tmp_path / name) for name in ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb")}
    assert collect(gone) == NOTHING


def test_lists_and_pressure() -> None:
    assert list_of("") == []
    assert list_of("3") == [3]
    assert list_of("0-2,5,7-8") == [0, 1, 2, 5, 7, 8]
    assert pressure("") == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("250us", 0.00025), ("250\u00b5s", 0.00025),
        ("1h1m1s", 3661), (".5s", 0.5), ("1.s", 1), ("0", 0), ("0s", 0), ("-3s", -3), ("+3s", 3), ("10ns", 1e-8),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5x", "5 s", "5s ", "1m30", ".s", "1.2.3s", "--3s", "1e3s", "9999999h", "\u0663s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="for flag -interval: parse error"):
        parse_duration(text)
