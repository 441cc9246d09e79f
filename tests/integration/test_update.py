"""update of real containers: the cgroup's files, the stored configuration, and all or nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyrunc.container import Container
from pyrunc.errors import PyruncError
from tests.support import corpus, processes
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

MIB = 1 << 20
SLEEP = ("/bin/sleep", "1000")

# What update changes and how the files then read, on v1 and on v2.
V1 = {
    "memory.limit_in_bytes": "67108864",
    "memory.memsw.limit_in_bytes": "134217728",
    "memory.soft_limit_in_bytes": "33554432",
    "cpu.shares": "512",
    "cpu.cfs_quota_us": "50000",
    "cpu.cfs_period_us": "200000",
    "cpu.cfs_burst_us": "10000",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "pids.max": "99",
}
V2 = {
    "memory.max": "67108864",
    "memory.swap.max": "67108864",
    "memory.low": "33554432",
    "cpu.weight": "59",
    "cpu.max": "50000 200000",
    "cpu.max.burst": "10000",
    "cpuset.cpus.effective": "0",
    "cpuset.mems.effective": "0",
    "pids.max": "99",
}
OPTIONS = (
    "--memory 64M --memory-swap 128M --memory-reservation 32M --cpu-share 512 --cpu-quota 50000 --cpu-period 200000 "
    "--cpu-burst 10000 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 99"
).split()
CHANGED: dict[str, Any] = {
    "memory": {"limit": 64 * MIB, "swap": 128 * MIB, "reservation": 32 * MIB},
    "cpu": {"shares": 512, "quota": 50000, "period": 200000, "burst": 10000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 99},
}


class Limits:
    """The cgroup of one container."""

    def __init__(self, pyrunc: Pyrunc, container_id: str) -> None:
        self.pyrunc = pyrunc
        self.id = container_id
        self.paths = json.loads((pyrunc.root / container_id / "state.json").read_text())["cgroups"]
        self.version = 1 if "memory" in self.paths else 2

    def file(self, name: str) -> Path:
        return Path(self.paths[name.partition(".")[0] if self.version == 1 else "unified"], name)

    def read(self, *names: str) -> dict[str, str]:
        """The files' contents; those that this kernel lacks are left out."""
        return {name: self.file(name).read_text().strip() for name in names if self.file(name).exists()}

    def all(self) -> dict[str, str]:
        """Everything that the tests here change."""
        return self.read(*(V1 if self.version == 1 else V2))

    def update(self, *options: str, **keywords: Any) -> None:
        result = self.pyrunc.ok("update", *options, self.id, **keywords)
        assert result.stdout == result.stderr == ""

    def stored(self) -> dict[str, Any]:
        resources = Container.load(str(self.pyrunc.root), self.id).config()["linux"].get("resources", {})
        assert isinstance(resources, dict)
        return resources


@pytest.fixture
def limits(bundle: BundleFactory, pyrunc: Pyrunc) -> Limits:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    pyrunc.ok("start", container_id)
    return Limits(pyrunc, container_id)


def expected(limits: Limits) -> dict[str, str]:
    table = V1 if limits.version == 1 else V2
    return {name: value for name, value in table.items() if limits.file(name).exists()}


def test_options(limits: Limits) -> None:
    devices = limits.stored()["devices"]
    limits.update(*OPTIONS)
    assert limits.all() == expected(limits)
    stored = limits.stored()
    assert stored.pop("devices") == devices
    assert stored == CHANGED
    assert limits.pyrunc.state(limits.id)["status"] == "running"


def test_the_standard_input_and_a_file(limits: Limits, folder: Path) -> None:
    limits.update("--resources", "-", input=json.dumps(CHANGED))
    assert limits.all() == expected(limits)
    (folder / "resources").write_text('{"pids": {"limit": 5}, "memory": {"limit": 0}}')
    limits.update(f"--resources={folder}/resources", "--memory", "1G")
    assert limits.all() == expected(limits) | {"pids.max": "5"}


def test_nothing_asked_for_changes_nothing(limits: Limits) -> None:
    """docker sends every field."""
    limits.update(*OPTIONS)
    before = limits.stored()
    limits.update()
    limits.update("--pids-limit", "0", "--memory=0", "--cpu-quota", "0")
    zeros: dict[str, Any] = {
        "memory": {"limit": 0, "reservation": 0, "swap": 0, "kernel": 0},
        "cpu": {
            "shares": 0,
            "quota": 0,
            "period": 0,
            "realtimeRuntime": 0,
            "realtimePeriod": 0,
            "cpus": "",
            "mems": "",
        },
        "blockIO": {"weight": 0},
    }
    limits.update("-r", "-", input=json.dumps(zeros))
    assert limits.all() == expected(limits)
    assert limits.stored() == before


def test_devices_stay_as_they_are(limits: Limits) -> None:
    """CRI sends a list that denies all of them."""
    before = limits.stored()["devices"]
    resources = {"devices": [{"allow": False, "access": "rwm"}], "pids": {"limit": 50}}
    limits.update("-r", "-", input=json.dumps(resources))
    assert limits.pyrunc.ok("exec", limits.id, "sh", "-c", "head -c 3 /dev/zero | wc -c").stdout.strip() == "3"
    assert limits.stored()["devices"] == before
    assert limits.stored()["pids"] == {"limit": 50}


@pytest.mark.parametrize("name", ["containerd-cri", "docker", "docker-update-cpuset", "podman"])
def test_what_engines_send(name: str, limits: Limits) -> None:
    name = name if "update" in name else f"{name}-update"
    sent = corpus.load(f"{name}-resources.json")
    if sent["cpu"].get("cpus"):
        sent["cpu"]["cpus"] = str(max(os.sched_getaffinity(0)))  # the recorded one is not everywhere
    limits.update("--resources", "-", input=json.dumps(sent))
    cpu, memory = sent["cpu"], sent["memory"]
    if limits.version == 1:
        wanted = {
            "memory.limit_in_bytes": memory["limit"],
            "cpu.shares": cpu["shares"],
            "cpuset.cpus": cpu.get("cpus"),
            "cpu.cfs_quota_us": cpu["quota"],
        }
    else:
        wanted = {"memory.max": memory["limit"], "cpuset.cpus": cpu.get("cpus")}
    files = {name: str(value) for name, value in wanted.items() if value}
    assert limits.read(*files) == files


def test_quota_and_period_one_at_a_time(limits: Limits) -> None:
    for options, quota, period in (
        (["--cpu-quota", "20000"], "20000", "100000"),
        (["--cpu-period", "50000"], "20000", "50000"),
        (["--cpu-quota", "30000"], "30000", "50000"),
        (["--cpu-quota", "-1"], "-1", "50000"),
        (["--cpu-period", "80000"], "-1", "80000"),
    ):
        limits.update(*options)
        if limits.version == 1:
            assert limits.read("cpu.cfs_quota_us", "cpu.cfs_period_us") == {
                "cpu.cfs_quota_us": quota,
                "cpu.cfs_period_us": period,
            }
        else:
            assert limits.read("cpu.max") == {"cpu.max": f"{quota.replace('-1', 'max')} {period}"}


def test_swap_alone_is_taken_with_the_limit(limits: Limits) -> None:
    limits.update("--memory", "64M", "--memory-swap", "64M")
    limits.update("--memory-swap", "96M")
    name, value = ("memory.memsw.limit_in_bytes", 96) if limits.version == 1 else ("memory.swap.max", 32)
    if limits.file(name).exists():
        assert limits.read(name) == {name: str(value * MIB)}
    limits.update("--memory", "-1")
    name = "memory.limit_in_bytes" if limits.version == 1 else "memory.max"
    assert limits.read(name)[name] in ("9223372036854771712", "max")


def test_all_or_nothing(limits: Limits) -> None:
    """The CPUs are refused after memory was written, the period after that; nothing has changed."""
    before, stored = limits.all(), limits.stored()
    file = "cpuset.cpus"
    for options, place, name in (
        (["--memory", "64M", "--memory-swap", "128M", "--cpuset-cpus", "4095"], "cpu.cpus", file),
        (
            ["--memory", "64M", "--cpuset-cpus", "0", "--cpu-share", "77", "--cpu-period", "999"],
            "cpu.period",
            "cpu.cfs_period_us" if limits.version == 1 else "cpu.max",
        ),
        (
            ["--memory=64M", "--cpu-quota=50000", "--cpu-burst=9", "--pids-limit", str(1 << 62)],
            "pids.limit",
            "pids.max",
        ),
    ):
        result = limits.pyrunc("update", *options, limits.id)
        assert result.returncode == 1
        start = f"pyrunc update failed: {limits.id}: linux.resources.{place}: write "
        assert result.stderr.startswith(start), result.stderr
        assert f"to {limits.file(name)}: " in result.stderr
        assert "put back" not in result.stderr
        assert limits.all() == before
        assert limits.stored() == stored


def test_a_created_and_a_paused_one(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    limits = Limits(pyrunc, container_id)
    limits.update("--pids-limit", "11")
    assert limits.read("pids.max") == {"pids.max": "11"}
    pyrunc.ok("start", container_id)
    pyrunc.ok("pause", container_id)
    limits.update("--pids-limit=-1")
    assert limits.read("pids.max") == {"pids.max": "max"}
    assert pyrunc.state(container_id)["status"] == "paused"


def test_at_once(limits: Limits) -> None:
    """Each change is whole, and none of them is lost from the stored configuration."""
    changes = [["--pids-limit", "21"], ["--cpu-share", "77"], ["--memory-reservation", "16M"]]
    started = [limits.pyrunc.popen("update", *change, limits.id) for change in changes]
    assert [process.wait(10) for process in started] == [0, 0, 0]
    stored = limits.stored()
    assert (stored["pids"], stored["cpu"], stored["memory"]) == (
        {"limit": 21},
        {"shares": 77},
        {"reservation": 16 * MIB},
    )


def test_the_library(limits: Limits) -> None:
    container = Container.load(str(limits.pyrunc.root), limits.id)
    container.update({"pids": {"limit": 31}})
    assert limits.read("pids.max") == {"pids.max": "31"}
    with pytest.raises(PyruncError, match="/pids/limit: must be a whole number"):
        container.update({"pids": {"limit": "31"}})


def test_check_before_update(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A container that was made with it keeps its limit when a new one is not above what it uses."""
    made = bundle("head -c 20000000 /dev/zero > /dev/shm/x; echo ready; sleep 1000")
    made.config["linux"]["resources"]["memory"] = {"limit": 256 * MIB, "checkBeforeUpdate": True}
    container_id, result = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: "ready" in result.stdout, "the memory to be used")
    limits = Limits(pyrunc, container_id)
    before, stored = limits.all(), limits.stored()
    refused = pyrunc("update", "--memory", "8M", container_id)
    assert refused.returncode == 1
    assert "rejecting memory limit 8388608 <= usage" in refused.stderr
    assert (limits.all(), limits.stored()) == (before, stored)
    limits.update("--memory", "200M")
    assert limits.stored()["memory"]["limit"] == 200 * MIB


def test_no_process_but_the_first(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """pids.limit 0 is a limit like others: the container's process is moved there, and cannot fork."""
    made = bundle("echo began; true & echo forked")
    made.config["linux"]["resources"]["pids"] = {"limit": 0}
    result = pyrunc.run(made.save())
    assert result.returncode != 0
    assert result.stdout == "began\n"
    assert "fork" in result.stderr
