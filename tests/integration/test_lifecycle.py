"""create, start, state, kill, delete, list, run: every status, and what each command may do in it."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cgroups
from tests.support import leaks, processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.freezer import freeze, is_frozen, thaw
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")


def own_cgroups(container_id: str) -> list[str]:
    """The cgroup directories of one container."""
    return sorted(path for path in leaks.cgroups() if path.rsplit("/", 1)[-1] == container_id)


def bring_to(pyrunc: Pyrunc, made: Bundle, status: str) -> tuple[str, int]:
    """A container in that status; its id and pid."""
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    if status != "created":
        pyrunc.ok("start", container_id)
    if status == "stopped":
        os.kill(pid, signal.SIGKILL)
        processes.wait_exit(pid)
    elif status == "paused":
        freeze(pid)
    assert pyrunc.state(container_id)["status"] == status
    return container_id, pid


def test_delete_by_force_with_a_record_that_cannot_be_read(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The directory goes; what cannot be known any more is said."""
    container_id, pid = bring_to(pyrunc, bundle(SLEEP), "running")
    record = pyrunc.root / container_id / "state.json"
    record.write_text("{")
    hint = "pyrunc delete --force removes the record, but cannot know the process and the cgroups"
    assert hint in pyrunc("delete", container_id).stderr
    result = pyrunc.ok("delete", "--force", container_id)
    assert result.stderr == (
        f"warning: {container_id}: read the container's state: {record}: line 1, column 2: expecting property name "
        "enclosed in double quotes: its process and cgroups, if there are any, are not known and remain\n"
    )
    assert not record.parent.exists()
    assert processes.state_of(pid) == "S"
    os.kill(pid, signal.SIGKILL)
    processes.wait_exit(pid)
    cgroups.remove({path: path for path in own_cgroups(container_id)})


def test_a_whole_life(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    made = bundle("echo started; trap 'echo ended; exit 3' TERM; while :; do sleep 0.02; done")
    made.config["annotations"] = {"org.example.key": "a value", "org.example.empty": ""}
    made.save()
    pid_file = folder / "pid"
    container_id, result = pyrunc.create(made, "--pid-file", str(pid_file))
    pid = int(pid_file.read_bytes())
    assert pid_file.read_bytes() == str(pid).encode(), "digits only, no newline"
    state = pyrunc.state(container_id)
    assert list(state) == [
        "ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner",
    ]  # fmt: skip
    assert state == {
        "ociVersion": made.config["ociVersion"],
        "id": container_id,
        "pid": pid,
        "status": "created",
        "bundle": str(made),
        "rootfs": str(made.rootfs),
        "created": state["created"],
        "annotations": made.config["annotations"],
        "owner": "",
    }
    assert result.stdout == result.stderr == ""
    assert len(own_cgroups(container_id)) > 0
    started = pyrunc.ok("start", container_id)
    assert started.stdout == started.stderr == ""
    assert pyrunc.state(container_id) == {**state, "status": "running"}
    processes.wait_until(lambda: result.stdout == "started\n", "the program")
    pyrunc.ok("kill", container_id)
    assert processes.wait_exit(pid) == 3
    assert result.stdout == "started\nended\n"
    assert pyrunc.state(container_id) == {**state, "status": "stopped", "pid": 0}
    pyrunc.ok("delete", container_id)
    assert pyrunc("state", container_id).returncode == 1
    assert leaks.listing(str(pyrunc.root)) == []
    assert own_cgroups(container_id) == []


def test_config_is_as_it_was_at_create(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle("echo before")
    container_id, result = pyrunc.create(made)
    made.config["process"]["args"] = ["/bin/echo", "after"]
    made.save()
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")
    assert result.stdout == "before\n"


def test_the_bundle_can_go_while_it_runs(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(SLEEP)
    container_id, _ = pyrunc.create(made)
    made.path.rename(made.path.with_name("moved"))
    pyrunc.ok("start", container_id)
    assert pyrunc.ok("exec", container_id, "echo", "fine").stdout == "fine\n"
    pyrunc.ok("delete", "--force", container_id)


ILLEGAL = {
    "created": {"run": "already exists", "create": "already exists"},
    "running": {
        "start": "cannot start an already running container",
        "delete": "cannot delete container {id} that is not stopped: running",
        "create": "already exists",
        "run": "already exists",
    },
    "paused": {
        "start": "cannot start a container in the paused state",
        "delete": "cannot delete container {id} that is not stopped: paused",
        "create": "already exists",
        "exec": "cannot exec in a paused container",
    },
    "stopped": {
        "start": "cannot start a container that has stopped",
        "kill": "container not running",
        "create": "already exists",
        "exec": "cannot exec in a stopped container",
    },
}
CASES = [(status, verb, words) for status, verbs in ILLEGAL.items() for verb, words in verbs.items()]


@pytest.mark.parametrize(("status", "verb", "words"), CASES)
def test_illegal_transitions_change_nothing(
    status: str, verb: str, words: str, bundle: BundleFactory, pyrunc: Pyrunc
) -> None:
    made = bundle(SLEEP)
    container_id, pid = bring_to(pyrunc, made, status)

    def picture() -> Any:
        files = {
            path.name: (path.lstat().st_mtime_ns, path.lstat().st_ino)
            for path in (pyrunc.root / container_id).iterdir()
        }
        return (files, pyrunc.state(container_id), own_cgroups(container_id), processes.alive(pid))

    before = picture()
    arguments = {
        "create": ["create", "--bundle", str(made), container_id],
        "run": ["run", "--bundle", str(made), container_id],
        "exec": ["exec", container_id, "true"],
    }
    result = pyrunc(*arguments.get(verb, [verb, container_id]))
    assert result.returncode == (255 if verb == "exec" else 1)
    assert words.format(id=container_id) in result.stderr.splitlines()[0]
    assert picture() == before
    pyrunc.ok("delete", "--force", container_id)
    assert own_cgroups(container_id) == []


@pytest.mark.parametrize("status", ["created", "running", "paused", "stopped"])
def test_delete_by_force(status: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, pid = bring_to(pyrunc, bundle(SLEEP), status)
    pyrunc.ok("delete", "--force", container_id)
    assert not processes.alive(pid)
    assert own_cgroups(container_id) == []
    assert leaks.listing(str(pyrunc.root)) == []
    pyrunc.ok("delete", "--force", container_id)


def test_delete_of_a_created_one(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """As with runc, needs no force: nothing of the user's has run."""
    container_id, pid = bring_to(pyrunc, bundle(SLEEP), "created")
    pyrunc.ok("delete", container_id)
    assert not processes.alive(pid)


def test_kill_of_a_created_one(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    container_id, pid = bring_to(pyrunc, bundle(SLEEP), "created")
    pyrunc.ok("kill", container_id, "KILL")
    assert processes.wait_exit(pid) == 137
    assert pyrunc.state(container_id)["status"] == "stopped"


def test_kill_thaws(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """SIGKILL ends a paused container, another signal waits for its thawing."""
    made = bundle("trap 'exit 5' TERM; while :; do sleep 0.02; done")
    container_id, pid = bring_to(pyrunc, made, "paused")
    pyrunc.ok("kill", container_id, "KILL")
    assert processes.wait_exit(pid) == 137
    pyrunc.ok("delete", container_id)

    container_id, pid = bring_to(pyrunc, made, "running")
    folder = freeze(pid)
    pyrunc.ok("kill", container_id, "TERM")
    assert is_frozen(folder)
    assert pyrunc.state(container_id)["status"] == "paused"
    thaw(folder)
    assert processes.wait_exit(pid) == 5


def test_kill_all(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """--all reaches processes beside the first one; of a stopped container it is no error."""
    made = bundle("/bin/loop one & /bin/loop two & wait")
    (made.rootfs / "bin/loop").write_text("#!/bin/sh\ntrap 'echo $1; exit 0' USR1\nwhile :; do sleep 0.02; done\n")
    (made.rootfs / "bin/loop").chmod(0o755)
    made.config["linux"]["namespaces"] = [n for n in made.config["linux"]["namespaces"] if n["type"] != "pid"]
    made.config["mounts"] = [m for m in made.config["mounts"] if m["type"] != "proc"]
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    made.save()
    container_id, result = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    pyrunc.ok("start", container_id)
    processes.wait_until(lambda: len(processes.children(pid)) == 2, "two children")
    below = processes.children(pid)
    processes.wait_until(lambda: all(b"loop" in Path(f"/proc/{p}/cmdline").read_bytes() for p in below), "the loops")
    processes.wait_until(lambda: all(processes.children(p) for p in below), "their traps")
    pyrunc.ok("kill", "--all", container_id, "USR1")
    processes.wait_gone(pid)
    for child in below:
        processes.wait_gone(child)
    assert sorted(result.stdout.split()) == ["one", "two"]
    pyrunc.wait_status(container_id, "stopped")
    pyrunc.ok("kill", "--all", container_id, "KILL")


def test_run_in_the_background(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    container_id = pyrunc.new_id()
    result = pyrunc.ok("run", "--detach", "--pid-file", folder / "pid", "--bundle", bundle(SLEEP), container_id)
    state = pyrunc.state(container_id)
    assert state["status"] == "running"
    assert (folder / "pid").read_text() == str(state["pid"])
    assert result.stdout == result.stderr == ""
    pyrunc.ok("kill", container_id, "9")
    assert processes.wait_exit(state["pid"]) == 137
    pyrunc.ok("delete", container_id)


@pytest.mark.parametrize("keep", [True, False])
def test_run_in_the_foreground(bundle: BundleFactory, pyrunc: Pyrunc, keep: bool) -> None:
    container_id = pyrunc.new_id()
    options = ["--keep"] if keep else []
    result = pyrunc("run", *options, "--bundle", bundle("exit 7"), container_id)
    assert result.returncode == 7
    assert pyrunc.containers() == ([container_id] if keep else [])
    assert bool(own_cgroups(container_id)) == keep
    if keep:
        assert pyrunc.state(container_id)["status"] == "stopped"
        pyrunc.ok("delete", container_id)
        assert own_cgroups(container_id) == []


@pytest.mark.parametrize("options", [[], ["--no-subreaper"]])
def test_orphans_of_a_container_in_the_foreground(bundle: BundleFactory, pyrunc: Pyrunc, options: list[str]) -> None:
    """Without a pid namespace they become children of `run`, or with --no-subreaper of who adopts its orphans."""
    made = bundle("(sleep 60 & echo $! > /orphan) & wait; sleep 60")
    made.config["root"]["readonly"] = False
    namespaces = made.config["linux"]["namespaces"]
    made.config["linux"]["namespaces"] = [entry for entry in namespaces if entry["type"] != "pid"]
    container_id = pyrunc.new_id()
    run = pyrunc.popen("run", *options, "--bundle", made.save(), container_id)
    orphan = made.rootfs / "orphan"
    processes.wait_until(lambda: orphan.exists() and orphan.read_text(), "the orphan")
    pid = int(orphan.read_text())
    adopter = os.getpid() if options else run.pid
    processes.wait_until(lambda: pid in processes.children(adopter), "its new parent")
    pyrunc.ok("kill", container_id, "KILL")
    run.wait(20)
    processes.wait_gone(pid)


def test_list(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert pyrunc.ok("list", "--format", "json").json() in (None, [])
    made = {status: bring_to(pyrunc, bundle(SLEEP), status) for status in ("created", "running", "paused", "stopped")}
    listed = {entry["id"]: entry for entry in pyrunc.ok("list", "--format", "json").json()}
    for status, (container_id, pid) in made.items():
        entry = listed.pop(container_id)
        assert entry["status"] == status
        assert entry["pid"] == (0 if status == "stopped" else pid)
        assert entry["owner"] == "root"
    assert listed == {}
    ids = sorted(container_id for container_id, _ in made.values())
    assert pyrunc.ok("list", "--quiet").stdout.split() == ids
    table = pyrunc.ok("list").stdout.splitlines()
    assert table[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [line.split()[0] for line in table[1:]] == ids


def test_a_container_whose_program_ends_at_once(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(("/bin/true",))
    for _ in range(3):
        container_id, _ = pyrunc.create(made)
        pyrunc.ok("start", container_id)
        pyrunc.wait_status(container_id, "stopped")
        pyrunc.ok("delete", container_id)
    assert pyrunc.containers() == []


def test_json_of_state_is_for_machines(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Annotations with anything in them come back as they were."""
    odd = {"a": 'quote " backslash \\ line\nbreak', "käse": "\U0001f9c0", "control": "\u0001\u007f"}
    made = bundle(SLEEP)
    made.config["annotations"] = odd
    made.save()
    container_id, _ = pyrunc.create(made)
    assert json.loads(pyrunc.ok("state", container_id).out.read_text())["annotations"] == odd
