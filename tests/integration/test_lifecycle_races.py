"""Commands at once, commands killed at any moment, processes that do not go quietly."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import leaks, processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")
SEED = 4711


def traces(container_id: str) -> list[str]:
    """What there is of a container beside its state: cgroups, mounts, and processes that are ours by now."""
    own = set(processes.descendants(os.getpid()))
    return sorted(
        [path for path in leaks.cgroups() if container_id in path]
        + [mount for mount in leaks.mounts() if container_id in mount]
        + [processes.name_of(pid) for pid in own if processes.alive(pid)]
    )


def test_creates_of_one_id(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """One wins, the others say so and take nothing from it."""
    made = bundle(SLEEP)
    made.config["linux"]["namespaces"].append({"type": "cgroup"})
    made.save()
    container_id = pyrunc.new_id()
    results = run_parallel(pyrunc, folder, 4, "create", "--bundle", str(made), container_id)
    assert sorted(status for status, _ in results) == [0, 1, 1, 1]
    assert all("container with given ID already exists" in words for status, words in results if status)
    state = pyrunc.state(container_id)
    assert state["status"] == "created"
    pyrunc.ok("start", container_id)
    assert pyrunc.ok("exec", container_id, "echo", "fine").stdout == "fine\n"
    pyrunc.ok("delete", "--force", container_id)
    assert traces(container_id) == []


def test_starts_at_once(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    container_id, result = pyrunc.create(bundle("echo once; exec sleep 1000"))
    results = run_parallel(pyrunc, folder, 4, "start", container_id)
    assert sorted(status for status, _ in results) == [0, 1, 1, 1]
    assert all("cannot start an already running container" in words for status, words in results if status)
    processes.wait_until(lambda: result.stdout, "the program")
    assert result.stdout == "once\n"


def test_deletes_at_once(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    container_id, _ = pyrunc.create(bundle(SLEEP))
    pyrunc.ok("start", container_id)
    results = run_parallel(pyrunc, folder, 4, "delete", "--force", container_id)
    assert [status for status, _ in results] == [0] * 4, results
    assert traces(container_id) == []
    assert pyrunc.containers() == []


def run_parallel(pyrunc: Pyrunc, folder: Path, count: int, *args: str) -> list[tuple[int, str]]:
    """Starts one command several times at once; status and message of each."""
    files = [open(folder / f"error-{number}", "w+") for number in range(count)]
    try:
        started = [pyrunc.popen(*args, stdout=subprocess.DEVNULL, stderr=file) for file in files]
        statuses = [process.wait(60) for process in started]
        return [(status, Path(file.name).read_text()) for status, file in zip(statuses, files, strict=True)]
    finally:
        for file in files:
            file.close()


def check_cleaning(pyrunc: Pyrunc, made: Bundle, container_id: str) -> None:
    """`delete --force` leaves nothing, and the id can be used again at once."""
    pyrunc.ok("delete", "--force", container_id)
    assert traces(container_id) == []
    assert leaks.listing(str(pyrunc.root)) == []
    pyrunc.ok("create", "--bundle", made, container_id)
    pyrunc.ok("delete", "--force", container_id)


def test_create_killed_at_any_moment(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Thirty times, at moments spread over the whole of it; also with joined steps, hooks and a user namespace."""
    dice = random.Random(SEED)
    plain = bundle(SLEEP)
    rich = bundle(SLEEP)
    rich.config["linux"]["namespaces"] += [{"type": "cgroup"}, {"type": "time"}]
    rich.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "sleep 0.02"]}],
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "sleep 0.02"]}],
    }
    rich.save()
    for made in (plain, rich):
        container_id = pyrunc.new_id()
        begin = time.monotonic()
        pyrunc.ok("create", "--bundle", made, container_id)
        length = time.monotonic() - begin
        pyrunc.ok("delete", "--force", container_id)
        for _ in range(15):
            container_id = pyrunc.new_id()
            process = pyrunc.popen("create", "--bundle", made, container_id, stdout=-3, stderr=-3)
            time.sleep(dice.uniform(0.2, 1.05) * length)
            process.kill()
            process.wait()
            pyrunc.ok("delete", "--force", container_id)
            processes.wait_until(lambda name=container_id: traces(name) == [], "everything to go")
            assert leaks.listing(str(pyrunc.root)) == []
            pyrunc.ok("create", "--bundle", made, container_id)
            pyrunc.ok("delete", "--force", container_id)


@pytest.mark.parametrize("verb", ["start", "delete", "run"])
def test_other_commands_killed(verb: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A start, a delete and a run, killed early, midway and late."""
    made = bundle(SLEEP)
    for moment in (0.01, 0.04, 0.08):
        if verb == "run":
            container_id = pyrunc.new_id()
            process = pyrunc.popen("run", "--bundle", made, container_id, stdout=-3, stderr=-3)
        else:
            container_id, _ = pyrunc.create(made)
            process = pyrunc.popen(verb, container_id, stdout=-3, stderr=-3)
        time.sleep(moment)
        process.kill()
        process.wait()
        check_cleaning(pyrunc, made, container_id)


def shared_pids(made: Bundle) -> Bundle:
    """Changes the bundle to one that shares the host's pid namespace: its processes do not end with the first."""
    config = made.config
    config["linux"]["namespaces"] = [entry for entry in config["linux"]["namespaces"] if entry["type"] != "pid"]
    config["mounts"] = [entry for entry in config["mounts"] if entry["type"] != "proc"]
    config["linux"].update(maskedPaths=[], readonlyPaths=[])
    return made.save()


def test_processes_left_in_the_hosts_pid_namespace(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = shared_pids(bundle("setsid sleep 1000 & setsid sleep 1001 & wait"))
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: len(processes.children(pid)) == 2, "two children")
    left = processes.children(pid)
    os.kill(pid, signal.SIGKILL)
    processes.wait_exit(pid)
    assert pyrunc.state(container_id)["status"] == "stopped"
    assert all(map(processes.alive, left))
    pyrunc.ok("delete", container_id)
    assert not any(map(processes.alive, left))
    assert not [path for path in leaks.cgroups() if container_id in path]


def test_kill_in_the_hosts_pid_namespace_ends_all(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """There is no first process whose end would be theirs, so SIGKILL is for the whole container, as with runc."""
    made = shared_pids(bundle("setsid sleep 1000 & wait"))
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: processes.children(pid), "a child")
    child = processes.children(pid)[0]
    pyrunc.ok("kill", container_id, "KILL")
    assert processes.wait_exit(pid) == 137
    processes.wait_gone(child)


@pytest.mark.parametrize("own_pids", [True, False])
def test_processes_that_fork_while_they_die(own_pids: bool, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(("/bin/sh", "-c", "for i in 1 2 3 4; do /bin/spread & done; sleep 1000"))
    # Each process starts its successor and ends: whatever is killed, another was just born.
    (made.rootfs / "bin/spread").write_text("#!/bin/sh\n/bin/spread &\n")
    (made.rootfs / "bin/spread").chmod(0o755)
    made.config["linux"]["resources"]["pids"] = {"limit": 40}
    made.save()
    if not own_pids:
        shared_pids(made)
    container_id, _ = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    time.sleep(0.2)
    pyrunc.ok("delete", "--force", container_id)
    processes.reap_adopted(set())
    assert traces(container_id) == []


def test_a_first_process_that_is_stopped_or_ignores_signals(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, _ = pyrunc.create(bundle("trap '' TERM HUP INT; while :; do sleep 0.02; done"))
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("start", container_id)
    pyrunc.ok("kill", container_id, "TERM")
    os.kill(pid, signal.SIGSTOP)
    assert pyrunc.state(container_id)["status"] == "running"
    pyrunc.ok("delete", "--force", container_id)
    assert not processes.alive(pid)


def test_states_while_another_command_works(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """state and list wait for nobody: with a create that a slow hook holds up, they say "creating"."""
    made = bundle(SLEEP)
    hook = f"while ! test -e {folder}/looked; do sleep 0.02; done"
    made.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", hook]}]}
    made.save()
    container_id = pyrunc.new_id()
    process = pyrunc.popen("create", "--bundle", made, container_id, stdout=-3, stderr=-3)
    seen: list[str] = []

    def look() -> bool:
        result = pyrunc("state", container_id)
        seen.append(result.json()["status"] if result.returncode == 0 else "none")
        return seen[-1] == "creating"

    processes.wait_until(look, "status creating")
    assert pyrunc("exec", container_id, "true").returncode == 255
    listed = pyrunc.ok("list", "--format", "json").json()
    assert [entry["status"] for entry in listed] == ["creating"]
    (folder / "looked").touch()
    assert process.wait(processes.PATIENCE) == 0
    assert pyrunc.state(container_id)["status"] == "created"
