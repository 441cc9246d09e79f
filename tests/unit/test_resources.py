"""update: what is asked for, what goes with it, what is stored afterwards, and how the options are read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cli
from pyrunc.cgroups.restore import former
from pyrunc.commands.update import parse_number, parse_size
from pyrunc.errors import PyruncError
from pyrunc.resources import asked_for, merged, with_check, with_partners
from tests.support.corpus import load
from tests.support.stand_in import StandIn, in_place_of_container


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    with in_place_of_container(monkeypatch) as stand_in:
        yield stand_in


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("docker-update-cpuset-resources.json", {"cpu": {"cpus": "1"}}),
        (
            "docker-update-resources.json",
            {
                "memory": {"limit": 64 << 20, "swap": 128 << 20},
                "cpu": {"shares": 300, "quota": 50000, "period": 100000},
                "pids": {"limit": 99},
            },
        ),
        (
            "containerd-cri-update-resources.json",
            {
                "memory": {"limit": 32 << 20, "swap": 32 << 20},
                "cpu": {"shares": 256, "quota": 20000, "period": 100000, "cpus": "0"},
            },
        ),
    ],
)
def test_what_engines_send(name: str, asked: dict[str, Any]) -> None:
    assert asked_for(load(name)) == asked


def test_zeros_that_are_values() -> None:
    resources = {
        "cpu": {"idle": 0, "burst": 0},
        "pids": {"limit": 0},
        "memory": {"swappiness": 0},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
    }
    assert asked_for(resources) == resources
    assert asked_for({"memory": {"limit": 0}, "network": {"classID": 0}, "unified": {}, "devices": [{}]}) == {}


@pytest.mark.parametrize(
    ("changes", "stored", "planned"),
    [
        ({"cpu": {"quota": 5000}}, {"cpu": {"period": 20000}}, {"cpu": {"quota": 5000, "period": 20000}}),
        ({"cpu": {"period": 5000}}, {"cpu": {"quota": -1}}, {"cpu": {"quota": -1, "period": 5000}}),
        ({"cpu": {"period": 5000}}, {"cpu": {"quota": 0, "shares": 5}}, {"cpu": {"period": 5000}}),
        (
            {"cpu": {"quota": 5000, "period": 6000}},
            {"cpu": {"quota": 1000, "period": 1001}},
            {"cpu": {"quota": 5000, "period": 6000}},
        ),
        ({"cpu": {"shares": 7}}, {"cpu": {"quota": 1000, "period": 1001}}, {"cpu": {"shares": 7}}),
        ({"memory": {"swap": 9}}, {"memory": {"limit": 5}}, {"memory": {"swap": 9, "limit": 5}}),
        ({"memory": {"swap": -1}}, {"memory": {"limit": 5}}, {"memory": {"swap": -1}}),
        ({"memory": {"limit": 9}}, {"memory": {"limit": 5, "swap": 9}}, {"memory": {"limit": 9}}),
    ],
)
def test_values_that_belong_together(changes: Any, stored: Any, planned: Any) -> None:
    assert with_partners(changes, stored) == planned


@pytest.mark.parametrize(
    ("changes", "stored", "planned"),
    [
        (
            {"memory": {"limit": 9}},
            {"memory": {"checkBeforeUpdate": True}},
            {"memory": {"limit": 9, "checkBeforeUpdate": True}},
        ),
        (
            {"memory": {"limit": 9, "checkBeforeUpdate": False}},
            {"memory": {"checkBeforeUpdate": True}},
            {"memory": {"limit": 9, "checkBeforeUpdate": False}},
        ),
        ({"pids": {"limit": 9}}, {"memory": {"checkBeforeUpdate": True}}, {"pids": {"limit": 9}}),
    ],
)
def test_a_check_that_was_asked_for_once(changes: Any, stored: Any, planned: Any) -> None:
    assert with_check(changes, stored) == planned


def test_the_stored_configuration_follows() -> None:
    stored = {
        "devices": [{"allow": False}],
        "cpu": {"shares": 5, "cpus": "0"},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 1}, {"pageSize": "1GB", "limit": 2}],
        "unified": {"pids.max": "5"},
    }
    changes = {
        "cpu": {"cpus": "1"},
        "pids": {"limit": 3},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4}],
        "unified": {"memory.high": "6"},
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}]},
    }
    assert merged(stored, changes) == {
        "devices": [{"allow": False}],
        "cpu": {"shares": 5, "cpus": "1"},
        "hugepageLimits": [{"pageSize": "1GB", "limit": 2}, {"pageSize": "2MB", "limit": 4}],
        "unified": {"pids.max": "5", "memory.high": "6"},
        "pids": {"limit": 3},
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}]},
    }
    assert stored["cpu"] == {"shares": 5, "cpus": "0"}


@pytest.mark.parametrize(
    ("file", "value", "old", "written"),
    [
        ("pids.max", "7", "max", "max"),
        ("cpu.max", "max 5000", "5000 100000", "5000 100000"),
        ("cpuset.cpus", "1", "", ""),
        ("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 3", "0"),
        ("blkio.throttle.read_bps_device", "8:0 100", "", "8:0 0"),
        ("blkio.throttle.read_bps_device", "8:0 100", "8:16 5\n8:0 50", "8:0 50"),
        (
            "io.max",
            "8:0 rbps=5",
            "8:16 rbps=1 wbps=max riops=max wiops=max",
            "8:0 rbps=max wbps=max riops=max wiops=max",
        ),
        ("io.weight", "500", "default 100\n8:0 50", "default 100"),
        ("io.weight", "8:16 500", "default 100\n8:0 50", "8:16 default"),
        ("net_prio.ifpriomap", "eth0 5", "lo 0\neth0 1", "eth0 1"),
        ("rdma.max", "mlx hca_handle=2", "mlx hca_handle=max hca_object=5", "mlx hca_handle=max hca_object=5"),
    ],
)
def test_what_is_written_to_put_a_value_back(file: str, value: str, old: str, written: str) -> None:
    assert former(file, value, old) == written


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("1", 1), ("64M", 64 << 20), ("64mb", 64 << 20), ("64MiB", 64 << 20), ("1.5g", 3 << 29),
        ("7 k", 7168), ("5 ", 5),
        ("7b", 7), ("2T", 2 << 40), ("1P", 1 << 50), ("-1", -1), ("0.5K", 512), ("9007199254740993", 9007199254740993),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size("memory", text) == size


@pytest.mark.parametrize(
    "text",
    ["M", "b", "-2", "-1M", "+5", "1.", ".", "1.2.3", "0x10", "1_0", "\u0663", "64MM", "64ib", "1e3", "9" * 31],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(PyruncError, match="invalid value for memory: invalid size: "):
        parse_size("memory", text)


@pytest.mark.parametrize("text", ["x", "-", "1.5", "1_0", "\u0663", " 1", "1e3", "0x1", "9" * 31])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(PyruncError, match=r"invalid value for pids-limit: .* is not a whole number"):
        parse_number("pids-limit", text)


def test_every_option(container: type[StandIn]) -> None:
    argv = (
        "update --blkio-weight 100 --cpu-period 1 --cpu-quota -2 --cpu-burst 0 --cpu-share 4 --cpu-rt-period 5 "
        "--cpu-rt-runtime 6 --cpuset-cpus 0-1 --cpuset-mems 0 --memory 1K --memory-reservation 2K --memory-swap -1 "
        "--pids-limit 7 --cpu-idle 1 --l3-cache-schema L3:0=f --mem-bw-schema MB:0=5 c1"
    )
    assert cli.main(argv.split()) == 0
    assert container.calls[-1][1] == (
        {
            "blockIO": {"weight": 100},
            "cpu": {
                "period": 1, "quota": -2, "burst": 0, "shares": 4, "realtimePeriod": 5, "realtimeRuntime": 6,
                "cpus": "0-1", "mems": "0", "idle": 1,
            },
            "memory": {"limit": 1024, "reservation": 2048, "swap": -1},
            "pids": {"limit": 7},
        },
        {"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=5"},
    )  # fmt: skip


def test_nothing_asked_for(container: type[StandIn]) -> None:
    for argv in (["update", "c1"], ["update", "--pids-limit", "0", "--memory=", "c1"]):
        assert cli.main(argv) == 0
        assert container.calls[-1][1] == ({}, {})


def test_a_file_is_all_there_is(container: type[StandIn], tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"pids": {"limit": 5}, "cpu": null}')
    assert cli.main(["update", "-r", f"{tmp_path}/r", "--memory", "nonsense", "--mem-bw-schema=MB:0=5", "c1"]) == 0
    assert container.calls[-1][1] == ({"pids": {"limit": 5}}, {"memBwSchema": "MB:0=5"})
