"""The six kinds of hooks in a real container: when and where they run, what they read, and what failure does."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyrunc.spec.default import default_config
from tests.support import leaks, processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.rootfs import give_to
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
INNER = ("createContainer", "startContainer")
SEE = """#!/bin/sh
# Notes what a hook sees: its kind and number, where it is, and the state that it reads.
state=$(cat)
{
    printf '{"kind": "%s", "number": %s, "cwd": "%s", "env": "%s", ' "$1" "$2" "$PWD" "$SEEN"
    for name in pid mnt net uts ipc; do printf '"%s": "%s", ' "$name" "$(readlink /proc/self/ns/$name)"; done
    printf '"config": %s, "state": %s}\\n' "$(test -e config.json && echo true || echo false)" "$state"
} >> "$3"
"""


def with_hooks(made: Bundle, log: Path, count: int = 1) -> Bundle:
    """Adds hooks of every kind that write to the log, which is in the container, too."""
    script = made.path / "see"
    script.write_text(SEE)
    script.chmod(0o755)
    (made.rootfs / "see").write_text(SEE)
    (made.rootfs / "see").chmod(0o755)
    (made.rootfs / "log").mkdir()
    made.config["mounts"].append(
        {"destination": "/log", "type": "bind", "source": str(log.parent), "options": ["bind", "rw"]}
    )
    made.config["hooks"] = {}
    for kind in KINDS:
        path = "/see" if kind == "startContainer" else str(script)
        target = f"/log/{log.name}" if kind == "startContainer" else str(log)
        made.config["hooks"][kind] = [
            {"path": path, "args": ["see", kind, str(number), target], "env": ["PATH=/bin:/usr/bin", f"SEEN={kind}"]}
            for number in range(count)
        ]
    return made.save()


def read(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_order_place_and_state(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    (folder / "notes").mkdir()
    log = folder / "notes/log"
    made = with_hooks(bundle("echo program >> /log/program; exec sleep 1000"), log, count=2)
    made.config["annotations"] = {"a": "b"}
    made.save()
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    order = [(entry["kind"], entry["number"]) for entry in read(log)]
    assert order == [(kind, number) for kind in KINDS[:3] for number in (0, 1)]
    assert not (folder / "notes/program").exists()
    inside = {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("pid", "mnt", "net", "uts", "ipc")}
    outside = {name: os.readlink(f"/proc/self/ns/{name}") for name in inside}
    pyrunc.ok("start", container_id)
    pyrunc.ok("delete", "--force", container_id)
    seen = read(log)
    assert [(entry["kind"], entry["number"]) for entry in seen] == [(k, n) for k in KINDS for n in (0, 1)]
    for entry in seen:
        kind = entry["kind"]
        where = inside if kind in INNER else outside
        assert {name: entry[name] for name in inside} == where, kind
        state = entry["state"]
        assert state["id"] == container_id
        assert state["bundle"] == str(made)
        assert state["annotations"] == {"a": "b"}
        assert state["ociVersion"] == made.config["ociVersion"]
        assert entry["env"] == kind
        expected = {
            "prestart": ("creating", pid),
            "createRuntime": ("creating", pid),
            "createContainer": ("creating", 1),
            "startContainer": ("created", 1),
            "poststart": ("running", pid),
            "poststop": ("stopped", None),
        }[kind]
        assert (state["status"], state.get("pid")) == expected, kind
        assert entry["config"] == (kind not in INNER), f"{kind} runs in {entry['cwd']}"


def test_create_container_hooks_in_a_user_namespace(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """They are root there, in the container's other namespaces, although root there may not trace the helper."""
    made = bundle(("/bin/sleep", "1000"), config=user_namespace_config())
    give_to(made.rootfs, 100000, 100000)
    (folder / "notes").mkdir(mode=0o777)
    (folder / "notes").chmod(0o777)
    script = f"(cat; echo; readlink /proc/self/ns/pid /proc/self/ns/user; id -u) > {folder}/notes/log"
    made.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    made.save()
    container_id, _ = pyrunc.create(made)
    pid = pyrunc.state(container_id)["pid"]
    state, *seen = (folder / "notes/log").read_text().splitlines()
    assert json.loads(state)["pid"] == 1
    assert seen == [os.readlink(f"/proc/{pid}/ns/pid"), os.readlink(f"/proc/{pid}/ns/user"), "0"]
    assert (folder / "notes/log").stat().st_uid == 100000


def user_namespace_config() -> dict[str, Any]:
    """The default configuration with a user namespace of its own."""
    config: dict[str, Any] = dict(default_config())
    config["root"] = {"path": "rootfs"}
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    return config


def test_poststart_runs_when_the_program_does(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    made = bundle(("/bin/sleep", "1000"))
    script = f"readlink /proc/$(sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p')/exe > {folder}/exe"
    made.config["hooks"] = {"poststart": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    made.save()
    container_id, _ = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    assert (folder / "exe").read_text().strip().endswith("/busybox")


def failing(kind: str, words: str = "told to fail") -> dict[str, Any]:
    shell = {"path": "/bin/sh", "args": ["sh", "-c", f"echo {words} >&2; exit 3"]}
    return {kind: [{"path": "/bin/true"}, shell, {"path": "/bin/sh", "args": ["sh", "-c", "touch /never"]}]}


@pytest.mark.parametrize("kind", KINDS[:3])
def test_failure_while_creating(kind: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """The container is not made; what is in the way of being made is undone, and hooks after it do not run."""
    made = bundle(("/bin/sleep", "1000"))
    made.config["hooks"] = failing(kind)
    made.config["hooks"]["poststop"] = [{"path": "/bin/sh", "args": ["sh", "-c", f"touch {folder}/poststop"]}]
    made.save()
    container_id = pyrunc.new_id()
    result = pyrunc("create", "--bundle", made, container_id)
    assert result.returncode == 1
    line = result.stderr.splitlines()[0]
    assert f"hooks.{kind}[1]" in line
    assert "exit status 3" in line
    assert "told to fail" in line
    assert leaks.listing(str(pyrunc.root)) == []
    assert not [path for path in leaks.cgroups() if container_id in path]
    assert not Path("/never").exists()


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_a_failed_creation_ends_with_the_poststop_hooks(
    kind: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path
) -> None:
    (folder / "notes").mkdir()
    log = folder / "notes/log"
    made = with_hooks(bundle(["/bin/true"]), log)
    made.config["hooks"][kind] = [{"path": "/bin/false"}]
    made.save()
    assert pyrunc("create", "--bundle", str(made), "c1").returncode == 1
    assert [entry["kind"] for entry in read(log)][-1] == "poststop"
    assert read(log)[-1]["state"]["status"] == "stopped"
    assert pyrunc.containers() == []


@pytest.mark.parametrize("command", ["start", "run"])
@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_failure_while_starting(kind: str, command: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Told by `start` (or `run`, which leaves nothing); the container has been stopped."""
    made = bundle(("/bin/sleep", "1000"))
    made.config["hooks"] = failing(kind)
    made.save()
    container_id = pyrunc.new_id()
    if command == "run":
        result = pyrunc("run", "--bundle", made, container_id)
    else:
        pyrunc.ok("create", "--bundle", made, container_id)
        pid = pyrunc.state(container_id)["pid"]
        result = pyrunc("start", container_id)
        processes.wait_gone(pid)
        assert pyrunc.state(container_id)["status"] == "stopped"
        pyrunc.ok("delete", container_id)
    assert result.returncode == 1
    line = result.stderr.splitlines()[0]
    assert f"error running {kind} hook #1" in line
    assert "exit status 3" in line
    assert "told to fail" in line
    assert leaks.listing(str(pyrunc.root)) == []
    assert not [path for path in leaks.cgroups() if container_id in path]


def test_failure_after_the_end_is_a_warning(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    made = bundle(("/bin/true",))
    made.config["hooks"] = failing("poststop")
    made.config["hooks"]["poststop"][2]["args"][2] = f"touch {folder}/went-on"
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 0
    assert "told to fail" in result.stderr
    assert (folder / "went-on").exists()
    assert pyrunc.containers() == []


def test_start_container_hooks_are_the_containers(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Run with the container's root and user, with its environment where they have none, before the program."""
    made = bundle("cat /dev/shm/seen; echo program")
    made.config["process"]["env"].append("MINE=yes")
    made.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    script = "cat > /dev/shm/state; echo hook $(id -u) $MINE $PWD $(ls -d /bin/probe) > /dev/shm/seen; sleep 0.1"
    made.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    made.save()
    result = pyrunc.run(made)
    assert result.stdout == "hook 1000 yes / /bin/probe\nprogram\n"


def test_start_container_hook_with_a_timeout(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(("/bin/true",))
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "sleep 1000 & sleep 1000"], "timeout": 1}
    made.config["hooks"] = {"startContainer": [hook]}
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 1
    assert "startContainer hook #0" in result.stderr
    assert "timed out" in result.stderr or "timeout" in result.stderr
    assert pyrunc.containers() == []


def test_hooks_see_the_mounts_before_the_root_is_switched(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """createContainer hooks find their path on the host, and the container's mounts below its root on the host."""
    made = bundle("cat /dev/shm/from-hook")
    script = (
        f"echo $(stat -f -c %T {made.rootfs}/dev/shm) > {made.rootfs}/dev/shm/from-hook; test -e {made}/config.json"
    )
    made.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    made.save()
    result = pyrunc.run(made)
    assert result.stdout == "tmpfs\n", result


def test_hooks_inherit_nothing(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """No descriptor of the runtime's, in any kind."""
    made = bundle(("/bin/true",))
    script = f"cat >/dev/null; exec ls -l /proc/self/fd > {folder}/$1"
    made.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", script, "sh", kind], "env": ["PATH=/bin:/usr/bin"]}]
        for kind in KINDS
        if kind != "startContainer"
    }
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 0, result
    for kind in made.config["hooks"]:
        open_files = [line.split()[8:] for line in (folder / kind).read_text().splitlines()[1:]]
        assert [fd for fd, _, target in open_files if not target.endswith("/fd")] == ["0", "1", "2"], kind
