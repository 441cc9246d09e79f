"""pause, resume and ps of real containers."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunc.container import Container
from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.freezer import freezer_of, is_frozen
from tests.support.runtime import ENVIRONMENT, Pyrunc

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture
def counting(bundle: BundleFactory, pyrunc: Pyrunc) -> tuple[str, Callable[[], int]]:
    """A running container that writes on and on, and how much it has written."""
    container_id, result = pyrunc.create(bundle("while :; do echo; sleep 0.01; done"))
    pyrunc.ok("start", container_id)
    return container_id, lambda: len(result.stdout)


def status(pyrunc: Pyrunc, container_id: str) -> tuple[str, str]:
    """The status by `state` and by `list`, which must agree."""
    listed = {entry["id"]: entry["status"] for entry in pyrunc.ok("list", "-f", "json").json()}
    return pyrunc.state(container_id)["status"], listed[container_id]


def test_pause_and_resume(counting: tuple[str, Callable[[], int]], pyrunc: Pyrunc) -> None:
    container_id, written = counting
    processes.wait_until(lambda: written() > 0, "the first line")
    for _ in range(3):
        paused = pyrunc.ok("pause", container_id)
        assert paused.stdout == paused.stderr == ""
        assert status(pyrunc, container_id) == ("paused", "paused")
        assert is_frozen(freezer_of(pyrunc.state(container_id)["pid"]))
        before = written()
        time.sleep(0.05)
        assert written() == before
        resumed = pyrunc.ok("resume", container_id)
        assert resumed.stdout == resumed.stderr == ""
        assert status(pyrunc, container_id) == ("running", "running")
        processes.wait_until(lambda before=before: written() > before, "more lines")  # type: ignore[misc]


def test_a_created_one(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """As with runc it can be paused, and is created again afterwards."""
    container_id, result = pyrunc.create(bundle(["/bin/echo", "started"]))
    pyrunc.ok("pause", container_id)
    assert status(pyrunc, container_id) == ("paused", "paused")
    for verb, reason in (
        ("start", "cannot start a container in the paused state"),
        ("pause", "container not running"),
        ("delete", f"cannot delete container {container_id} that is not stopped: paused"),
    ):
        assert pyrunc(verb, container_id).stderr == f"pyrunc {verb} failed: {container_id}: {reason}\n"
    pyrunc.ok("resume", container_id)
    assert status(pyrunc, container_id) == ("created", "created")
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")
    assert result.stdout == "started\n"


def test_a_created_one_that_somebody_else_thawed(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    pyrunc.ok("pause", container_id)
    folder = freezer_of(pyrunc.state(container_id)["pid"])
    v1 = (folder / "freezer.state").exists()
    (folder / ("freezer.state" if v1 else "cgroup.freeze")).write_text("THAWED" if v1 else "0")
    assert status(pyrunc, container_id) == ("created", "created")
    pyrunc.ok("start", container_id)
    assert status(pyrunc, container_id) == ("running", "running")


@pytest.mark.parametrize("started", [False, True])
def test_what_is_paused_can_be_killed_and_deleted(started: bool, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    for command in (("kill", "{}", "9"), ("kill", "--all", "{}", "9"), ("delete", "--force", "{}")):
        container_id, _ = pyrunc.create(bundle(SLEEP))
        pid = pyrunc.state(container_id)["pid"]
        if started:
            pyrunc.ok("start", container_id)
        pyrunc.ok("pause", container_id)
        pyrunc.ok(*(word.format(container_id) for word in command))
        processes.wait_gone(pid)
        if command[0] == "kill":
            pyrunc.ok("delete", container_id)


def test_pauses_at_once(counting: tuple[str, Callable[[], int]], pyrunc: Pyrunc) -> None:
    """Of several at once one wins; none of the others has thawed it."""
    container_id, _ = counting
    all_of_them = [pyrunc.popen("pause", container_id, stderr=-3) for _ in range(5)]
    assert sorted(process.wait(10) for process in all_of_them) == [0, 1, 1, 1, 1]
    assert status(pyrunc, container_id) == ("paused", "paused")


def test_the_library(counting: tuple[str, Callable[[], int]], pyrunc: Pyrunc) -> None:
    container = Container.load(str(pyrunc.root), counting[0])
    container.pause()
    assert container.status() == "paused"
    thread = threading.Thread(target=container.resume)
    thread.start()
    thread.join(10)
    assert container.status() == "running"
    assert container.state()["pid"] in container.processes()


def test_ps(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Host pids of all processes of the cgroup, those of exec and those in cgroups below included."""
    container_id, _ = pyrunc.create(bundle("/bin/sleep 1001 & /bin/sleep 1002 & wait"))
    pid = pyrunc.state(container_id)["pid"]
    assert pyrunc.ok("ps", "--format", "json", container_id).stdout == f"[{pid}]\n"
    pyrunc.ok("start", container_id)
    other = pyrunc.folder / "pid"
    pyrunc.ok("exec", "-d", "--pid-file", str(other), container_id, "/bin/sleep", "1003")
    processes.wait_until(lambda: len(pyrunc.ok("ps", "-f", "json", container_id).json()) == 4, "all four")
    pids = pyrunc.ok("ps", "-f", "json", container_id).json()
    assert {pid, int(other.read_text())} < set(pids)

    heading, *lines = pyrunc.ok("ps", container_id).stdout.splitlines()
    assert heading.split()[:3] == ["UID", "PID", "PPID"]
    assert {int(line.split()[1]) for line in lines} == set(pids)
    table = pyrunc.ok("ps", container_id, "-eo", "pid,args").stdout.splitlines()
    assert table[0].split() == ["PID", "COMMAND"]
    commands = sorted(line.split(None, 1)[1] for line in table[1:])
    assert [words for words in commands if words.startswith("/bin/sleep")] == [
        f"/bin/sleep {number}" for number in (1001, 1002, 1003)
    ]
    # Its own options end at the container's id: the rest is for ps, whatever it looks like.
    chosen = pyrunc.ok("ps", container_id, "-f", "-p", str(pid)).stdout.splitlines()[1:]
    assert [line.split()[1] for line in chosen] == [str(pid)]


def test_ps_without_path(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """As podman calls its runtime."""
    container_id, _ = pyrunc.create(bundle(SLEEP))
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PATH"}
    table = pyrunc.ok("ps", container_id, env={**environment, "XDG_RUNTIME_DIR": ""}).stdout
    assert str(pyrunc.state(container_id)["pid"]) in table


def test_ps_of_a_stopped_one(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("kill", container_id, "9")
    processes.wait_gone(pid)
    assert pyrunc.ok("ps", "-f", "json", container_id).stdout == "null\n"
    assert len(pyrunc.ok("ps", container_id).stdout.splitlines()) == 1


def test_ps_hands_on_no_descriptor(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    program = folder / "ps"
    program.write_text(f"#!/bin/sh\necho PID\nls -l /proc/self/fd > {folder}/seen\n")
    program.chmod(0o755)
    left_open = os.open(folder, os.O_RDONLY)
    try:
        pyrunc.ok("ps", container_id, env={"PATH": f"{folder}:/usr/bin:/bin"}, pass_fds=[left_open])
    finally:
        os.close(left_open)
    lines = [line for line in (folder / "seen").read_text().splitlines() if "->" in line]
    seen = {int(line.split(" -> ")[0].split()[-1]) for line in lines}
    assert seen == {0, 1, 2, 3}, "3 is the directory that ls reads"
