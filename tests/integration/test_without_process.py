"""Containers without `process` (config.md, "Process": needed for start only): created, entered, never started."""

import json
from pathlib import Path

import pytest

from pyrunc import syscalls
from pyrunc.errors import PyruncError
from pyrunc.helper import START, Channel
from pyrunc.state import START_SOCKET
from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.live import in_userns
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

SENTENCE = "process: there is no process to start\nhint: a container without one cannot be started\n"


@pytest.fixture(params=["plain", "userns"])
def empty(request: pytest.FixtureRequest, bundle: BundleFactory) -> Bundle:
    """A bundle without a process."""
    made = bundle()
    del made.config["process"]
    return in_userns(made) if request.param == "userns" else made.save()


def test_start_fails_and_it_stays_created(empty: Bundle, pyrunc: Pyrunc) -> None:
    container_id, result = pyrunc.create(empty)
    assert (result.stdout, result.stderr) == ("", "")
    for _ in range(2):
        started = pyrunc("start", container_id)
        assert (started.returncode, started.stderr) == (1, f"pyrunc start failed: {container_id}: {SENTENCE}")
        assert pyrunc.state(container_id)["status"] == "created"
    pyrunc.ok("delete", container_id)


def test_what_waits_may_do_nothing(empty: Bundle, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(empty)
    pid = pyrunc.state(container_id)["pid"]
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Name"] == "pyrunc-init" or status["Name"].isdigit()


def test_start_by_another_version(empty: Bundle, pyrunc: Pyrunc) -> None:
    """What waits does not rely on who asks it."""
    container_id, _ = pyrunc.create(empty)
    for _ in range(2):
        channel = Channel(syscalls.unix_connect(syscalls.AT_FDCWD, str(pyrunc.root / container_id / START_SOCKET)))
        channel.send(START)
        with pytest.raises(PyruncError, match="there is no process to start"):
            channel.ended()
        channel.close()
    assert pyrunc.state(container_id)["status"] == "created"


def test_exec(empty: Bundle, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(empty)
    seen = pyrunc.ok("exec", container_id, "/bin/sh", "-c", "pwd; id -u; grep CapEff /proc/self/status; env")
    assert seen.stdout.splitlines()[:3] == ["/", "0", "CapEff:\t0000000000000000"]
    process = {"cwd": "/bin", "args": ["/bin/pwd"]}
    file = empty.path / "process.json"
    file.write_text(json.dumps(process))
    assert pyrunc.ok("exec", "--process", file, container_id).stdout == "/bin\n"


def test_kill_and_delete(empty: Bundle, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(empty)
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("kill", container_id, "KILL")
    processes.wait_gone(pid)
    pyrunc.wait_status(container_id, "stopped")
    assert "cannot start a container that has stopped" in pyrunc("start", container_id).stderr
    pyrunc.ok("delete", container_id)


def test_run_refuses_before_anything_is_made(empty: Bundle, pyrunc: Pyrunc) -> None:
    result = pyrunc.run(empty)
    assert result.returncode == 1
    assert result.stderr.endswith(SENTENCE)
    assert pyrunc.containers() == []


def test_a_terminal_has_nobody_to_use_it(empty: Bundle, pyrunc: Pyrunc) -> None:
    result = pyrunc("create", "--console-socket", "/nowhere", "--bundle", empty, pyrunc.new_id())
    assert result.returncode == 1
    assert "console" in result.stderr
