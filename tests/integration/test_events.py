"""events of real containers: the figures, the rhythm, want of memory, and the end."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pyrunc.container import Container
from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

MIB = 1 << 20
SLEEP = ("/bin/sleep", "1000")
MEMBERS = ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"]


class Reader:
    """`pyrunc events` in the background, read line by line."""

    def __init__(self, pyrunc: Pyrunc, *args: str) -> None:
        self.process = pyrunc.popen("events", *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.endswith(b"\n"), self.process.stderr and self.process.stderr.read()
        event = json.loads(line)
        assert isinstance(event, dict)
        return event

    def rest(self) -> tuple[int, list[dict[str, Any]], bytes]:
        """How it ends: status, the events that are left, its errors."""
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def reader(pyrunc: Pyrunc) -> Iterator[Any]:
    made: list[Reader] = []

    def make(*args: str) -> Reader:
        made.append(Reader(pyrunc, *args))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.communicate()


def hungry(bundle: BundleFactory, args: str) -> Bundle:
    """A container with little memory, and no swap to help it."""
    made = bundle(args)
    made.config["linux"]["resources"]["memory"] = {"limit": 24 * MIB, "swap": 24 * MIB}
    return made.save()


def test_stats(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle("/bin/sleep 1000 & while :; do :; done")
    made.config["linux"]["resources"].update(
        memory={"limit": 64 * MIB}, pids={"limit": 55}, cpu={"quota": 20000, "period": 100000, "cpus": "0"}
    )
    container_id, _ = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    processes.wait_until(
        lambda: pyrunc.ok("events", "--stats", container_id).json()["data"]["pids"]["current"] == 2, ""
    )
    time.sleep(0.3)
    event = pyrunc.ok("events", "--stats", container_id).json()
    assert list(event) == ["type", "id", "data"]
    assert (event["type"], event["id"]) == ("stats", container_id)
    data = event["data"]
    assert list(data) == MEMBERS
    assert data["cpu"]["usage"]["total"] > 10_000_000
    assert data["cpu"]["throttling"]["throttledPeriods"] > 0
    assert data["cpuset"]["cpus"] == [0]
    memory = data["memory"]
    assert memory["usage"]["limit"] == 64 * MIB
    assert 0 < memory["usage"]["usage"] < 64 * MIB
    assert memory["raw"]
    assert list(memory["raw"]) == sorted(memory["raw"])
    assert data["pids"] == {"current": 2, "limit": 55}
    directories = json.loads((pyrunc.root / container_id / "state.json").read_text())["cgroups"]
    for section, file in (("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("blkio", "io.pressure")):
        counted = os.path.exists(f"{directories.get('unified', '')}/{file}")
        assert ("psi" in data[section]) == counted
        if counted:
            assert set(data[section]["psi"]["some"]) == {"avg10", "avg60", "avg300", "total"}


@pytest.mark.parametrize("status", ["created", "paused"])
def test_stats_of_one_that_stands_still(status: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    if status == "paused":
        pyrunc.ok("start", container_id)
        pyrunc.ok("pause", container_id)
    assert pyrunc.ok("events", "--stats", container_id).json()["data"]["pids"]["current"] == 1


def test_again_and_again_until_the_end(bundle: BundleFactory, pyrunc: Pyrunc, reader: Any) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    pyrunc.ok("start", container_id)
    begin = time.monotonic()
    events = reader("--interval", "50ms", container_id)
    for _ in range(4):
        assert events.next()["type"] == "stats"
    assert time.monotonic() - begin >= 0.2
    pyrunc.ok("kill", container_id, "KILL")
    status, left, errors = events.rest()
    assert (status, errors) == (0, b"")
    assert {event["type"] for event in left} <= {"stats"}


def test_one_process_runs_out_of_memory(bundle: BundleFactory, pyrunc: Pyrunc, reader: Any) -> None:
    """The container goes on, so that it can happen again."""
    container_id, _ = pyrunc.create(hungry(bundle, "sleep 1000"))
    pyrunc.ok("start", container_id)
    events = reader("--interval", "100ms", container_id)
    assert events.next()["type"] == "stats"
    for _ in range(2):
        pyrunc("exec", container_id, "tail", "/dev/zero")
        while (event := events.next())["type"] != "oom":
            assert event["type"] == "stats"
        assert event == {"type": "oom", "id": container_id}
    assert pyrunc.state(container_id)["status"] == "running"


def test_the_first_process_runs_out_of_memory(bundle: BundleFactory, pyrunc: Pyrunc, reader: Any) -> None:
    """The news comes although the container is gone by then."""
    container_id, _ = pyrunc.create(hungry(bundle, "exec tail /dev/zero"))
    events = reader("--interval", "20ms", container_id)
    events.next()
    pyrunc.ok("start", container_id)
    status, left, errors = events.rest()
    assert (status, errors) == (0, b"")
    assert {"type": "oom", "id": container_id} in left


def test_deleted_meanwhile(bundle: BundleFactory, pyrunc: Pyrunc, reader: Any) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    pyrunc.ok("start", container_id)
    events = reader("--interval", "10ms", container_id)
    events.next()
    pyrunc.ok("delete", "--force", container_id)
    status, left, errors = events.rest()
    assert (status, errors) == (0, b"")
    assert all(event["type"] == "stats" for event in left)


def test_nobody_reads(bundle: BundleFactory, pyrunc: Pyrunc, reader: Any) -> None:
    """A closed pipe ends it, with the reason."""
    container_id, _ = pyrunc.create(bundle(SLEEP))
    events = reader("--interval", "10ms", container_id)
    events.next()
    events.process.stdout.close()
    assert events.process.wait(10) == 1
    assert events.process.stderr.read() == (
        f"pyrunc events failed: {container_id}: write stdout: broken pipe\n".encode()
    )
    events.process.stdout = None


def test_the_library(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    container = Container.load(str(pyrunc.root), container_id)
    assert list(container.stats()) == MEMBERS
    events = container.events(0.01)
    before = len(os.listdir("/proc/self/fd"))
    assert next(events)["type"] == "stats"
    events.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before
