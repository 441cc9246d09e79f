"""A pid that is told or read, and is another process's when it is used."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyrunc.cgroups import members
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

LAST_PID = "/proc/sys/kernel/ns_last_pid"
ATTEMPTS = 100


def by_number(directory_fd: int, name: str, pids: "list[int]", number: int) -> "set[int]":
    """members.signal_in without its question."""
    for pid in pids:
        os.kill(pid, number)
    return set(pids)


@contextmanager
def exchanged(pid: int) -> "Iterator[subprocess.Popen[bytes]]":
    """Ends a child and gives its pid to a process of the host."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for _ in range(ATTEMPTS):
        with open(LAST_PID, "w") as file:
            file.write(str(pid - 1))
        with subprocess.Popen(["sleep", "1000"]) as victim:
            try:
                if victim.pid == pid:
                    yield victim
                    return
            finally:
                victim.kill()
    pytest.skip(f"others were quicker to get pid {pid}")


def hits_another(pyrunc: Pyrunc, bundle: BundleFactory, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a signal for a container's processes ends another one, which got the pid after the list was read."""
    made = bundle(("/bin/sleep", "1000"))
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "pid"]
    container_id, _ = pyrunc.create(made.save())
    pid = pyrunc.state(container_id)["pid"]
    paths = json.loads((pyrunc.root / container_id / "state.json").read_text())["cgroups"]
    read = members.pids_in
    change = exchanged(pid)
    victims: "list[subprocess.Popen[bytes]]" = []

    def pids_in(directory_fd: int, name: str) -> "list[int]":
        pids = read(directory_fd, name)
        if pid in pids and not victims:
            victims.append(change.__enter__())
        return pids

    monkeypatch.setattr(members, "pids_in", pids_in)
    try:
        members.signal_members(paths, signal.SIGTERM)
        assert victims
        try:
            return victims[0].wait(0.3) == -signal.SIGTERM
        except subprocess.TimeoutExpired:
            return False
    finally:
        if victims:
            change.__exit__(None, None, None)


def test_all_processes(bundle: BundleFactory, pyrunc: Pyrunc, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lists a container's processes and signals them signals no other."""
    assert not hits_another(pyrunc, bundle, monkeypatch)


def test_all_processes_can_fail(bundle: BundleFactory, pyrunc: Pyrunc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "signal_in", by_number)
    assert hits_another(pyrunc, bundle, monkeypatch)


ANYBODY: Change = ("pyrunc/launch.py", "posix.waitid(posix.P_PIDFD, pidfd, ", "max(0, ")


def changes_another(weak: Callable[..., Pyrunc], bundle: BundleFactory, *changes: Change) -> bool:
    """Whether an exec's settings are applied to a process of the host, when the one that it brings into the container
    says that it is that: traced there from its first instruction, it could."""
    with subprocess.Popen(["sleep", "1000"]) as victim:
        try:
            forged = ("csrc/init_namespaces.c", "number = (uint32_t)pid;", f"number = {victim.pid};")
            pyrunc = weak(forged, *changes)
            made = bundle(("/bin/sleep", "1000"))
            made.config["process"]["oomScoreAdj"] = 500
            container_id, _ = pyrunc.create(made.save())
            result = pyrunc("exec", "--detach", container_id, "/bin/true")
            changed = Path(f"/proc/{victim.pid}/oom_score_adj").read_text() == "500\n"
            assert changed or f"goes on as process {victim.pid}, which is not ours" in result.stderr, result
            return changed
        finally:
            victim.kill()


def test_process_of_an_exec(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert not changes_another(weak, bundle)


def test_process_of_an_exec_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert changes_another(weak, bundle, ANYBODY)
