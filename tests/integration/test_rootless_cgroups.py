"""An ordinary user's containers with the cgroups that are delegated to the user, and without any."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import leaks, processes
from tests.support.bundles import Bundle
from tests.support.ordinary_user import OrdinaryUser, delegate
from tests.support.processes import wait_until

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")
HINT = (
    "hint: on cgroup v2 a user may make cgroups below one that is delegated to him:"
    " systemd-run --user --scope -p Delegate=yes pyrunc ...\n"
)
TOP = "/sys/fs/cgroup"
# Two children, of which one leaves the parent's session and is nobody's child in the container.
FAMILY = "(setsid sleep 1000 &) ; sleep 1001 & sleep 1002"


@pytest.fixture
def delegated(user: OrdinaryUser, folder: Path) -> Iterator[list[str]]:
    """The user's commands start in cgroups of the user's: the directories that a container's cgroups are made in."""
    name = f"{leaks.prefix()}{folder.name}"
    if Path(f"{TOP}/cgroup.controllers").exists():
        Path(f"{TOP}/cgroup.subtree_control").write_text("+pids +memory")
        tops = [f"{TOP}/{name}"]
        made = [f"{TOP}/{name}", f"{TOP}/{name}/caller"]
    else:
        tops = made = [f"{TOP}/{controller}/{name}" for controller in ("pids", "freezer")]
    for directory in made:
        delegate(directory)
    user.cgroups = made[-1:] if len(tops) == 1 else made
    try:
        yield tops
    finally:
        assert not user.delete_all()
        for directory in reversed(made):
            wait_until(lambda directory=directory: is_removed(directory), f"{directory} is empty")  # type: ignore[misc]


def is_removed(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except OSError:
        return False
    return True


def running(user: OrdinaryUser, made: Bundle) -> tuple[str, int]:
    """A container that runs, and its pid."""
    container_id = user.new_id()
    user.ok("run", "--detach", "--bundle", made.save(), container_id)
    pid = user.state(container_id)["pid"]
    assert isinstance(pid, int)
    return container_id, pid


# With cgroups.


def test_limits_and_the_freezer(user: OrdinaryUser, rootless: Callable[..., Bundle], delegated: "list[str]") -> None:
    made = rootless(SLEEP)
    made.config["linux"]["resources"] = {"pids": {"limit": 7}}
    container_id, pid = running(user, made)
    own = f"{delegated[0]}/{container_id}"
    assert Path(own, "pids.max").read_text() == "7\n"
    assert Path(own, "cgroup.procs").read_text() == f"{pid}\n"
    user.ok("update", "--pids-limit", "9", container_id)
    assert Path(own, "pids.max").read_text() == "9\n"
    user.ok("pause", container_id)
    assert user.state(container_id)["status"] == "paused"
    user.ok("resume", container_id)
    assert user.ok("ps", "--format", "json", container_id).json() == [pid]
    assert user.ok("events", "--stats", container_id).json()["data"]["pids"]["limit"] == 9
    user.ok("delete", "--force", container_id)
    assert not os.path.exists(own)


@pytest.mark.cgroup1  # test_rootless_delegated.py has it for cgroup2
def test_a_limit_that_was_not_delegated(
    user: OrdinaryUser, rootless: Callable[..., Bundle], delegated: "list[str]"
) -> None:
    made = rootless()
    made.config["linux"]["resources"] = {"cpu": {"shares": 512}}
    result = user.run(made.save())
    assert result.returncode == 1
    assert "linux.resources.cpu" in result.stderr
    assert user.containers() == []
    assert not [name for top in delegated for name in os.listdir(top) if name.startswith(leaks.prefix())]


def test_the_container_cannot_write_the_users_cgroups(
    user: OrdinaryUser, rootless: Callable[..., Bundle], delegated: "list[str]"
) -> None:
    """CVE-2023-25809: without a cgroup namespace it sees those of the host, and its root owns these."""
    shown = " ".join(directory for top in delegated for directory in (top, os.path.dirname(top)))
    script = f"for d in {shown}; do mkdir $d/made && echo made; echo $$ > $d/cgroup.procs && echo moved; done; echo end"
    result = user.run(rootless(script))
    assert result.stdout == "end\n"
    assert result.stderr.count("ead-only file system") >= 2 * len(delegated)


@pytest.mark.cgroup2
def test_a_cgroup_that_processes_cannot_be_moved_to(
    user: OrdinaryUser, rootless: Callable[..., Bundle], delegated: "list[str]"
) -> None:
    """A directory of the user's, but the way there from the caller's cgroup leads above what is the user's."""
    user.cgroups = []
    made = rootless()
    made.config["linux"]["cgroupsPath"] = f"{delegated[0][len(TOP) :]}/inner"
    result = user.run(made.save())
    assert result.returncode == 1
    assert "cgroup.procs: permission denied\nhint: the cgroup that a user moves a process from" in result.stderr
    assert not os.path.exists(f"{delegated[0]}/inner")


# Without.


@pytest.mark.parametrize(
    ("linux", "place"),
    [
        ({"resources": {"pids": {"limit": 7}}}, "linux.resources.pids.limit"),
        ({"cgroupsPath": "/x"}, "linux.cgroupsPath"),
    ],
)
def test_what_needs_a_cgroup(
    linux: "dict[str, object]", place: str, user: OrdinaryUser, rootless: Callable[..., Bundle]
) -> None:
    made = rootless()
    made.config["linux"].update(linux)
    result = user.run(made.save())
    assert result.returncode == 1
    reason = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups"
    assert f": {place}: make cgroup /sys/fs/cgroup/" in result.stderr
    assert reason in result.stderr
    assert result.stderr.endswith(f": permission denied\n{HINT}")


def test_rootless_false_is_strict(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """As with runc it is about cgroups: what cannot be made is an error."""
    container_id = user.new_id()
    result = user("--rootless", "false", "run", "--bundle", rootless(), container_id)
    assert result.returncode == 1
    assert "make cgroup /sys/fs/cgroup/" in result.stderr
    assert "permission denied" in result.stderr
    user.ok("--rootless", "true", "run", "--bundle", rootless(), container_id)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("pause {}", "cannot pause a container that has no cgroup"),
        ("update --pids-limit 5 {}", "the container has no cgroup, so there are no limits to change"),
        ("events --stats {}", "the container has no cgroup, which would tell what it uses"),
        ("events {}", "the container has no cgroup, which would tell what it uses"),
    ],
)
def test_commands_that_need_a_cgroup(
    command: str, reason: str, user: OrdinaryUser, rootless: Callable[..., Bundle]
) -> None:
    container_id, _ = running(user, rootless(SLEEP))
    result = user(*command.format(container_id).split())
    assert (result.returncode, result.stderr) == (
        1,
        f"pyrunc {command.split()[0]} failed: {container_id}: {reason}\n{HINT}",
    )
    user.ok("kill", "--all", container_id, "KILL")
    user.wait_status(container_id, "stopped")


@pytest.mark.parametrize("ranges", [False, True])
def test_ps(ranges: bool, user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """The family, and what exec has brought in; whoever they are inside."""
    container_id, pid = running(user, rootless(FAMILY, ranges=ranges))
    user.ok("exec", "--detach", *(["--user", "5:5"] if ranges else []), container_id, "sleep", "1003")
    wait_until(lambda: len(family(user, container_id)) == 5 - 1, "four processes")
    found = family(user, container_id)
    assert pid in found
    assert {processes.name_of(process).split()[-1].rstrip(")") for process in found}
    user.ok("kill", "--all", container_id, "KILL")
    for process in found:
        processes.wait_gone(process)


def family(user: OrdinaryUser, container_id: str) -> list[int]:
    found = json.loads(user.ok("ps", "--format", "json", container_id).stdout)
    assert isinstance(found, list)
    return found


def test_nested_namespaces_are_the_containers(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """A process in a pid namespace that was made in the container."""
    container_id, _ = running(user, rootless("unshare -U -p -f sleep 1000; sleep 1000"))
    wait_until(lambda: len(family(user, container_id)) == 3, "sh, unshare, sleep")


def shared(made: Bundle) -> Bundle:
    """The bundle without a pid namespace of its own."""
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "pid"]
    linux["maskedPaths"] = linux["readonlyPaths"] = []
    mounts = [mount for mount in made.config["mounts"] if mount["destination"] != "/proc"]
    made.config["mounts"] = [{"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}, *mounts]
    return made.save()


def test_shared_pid_namespace(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """The user namespace tells who the container's are; kill and delete end them all."""
    container_id = user.new_id()
    result = user.ok("run", "--detach", "--bundle", shared(rootless(FAMILY)), container_id)
    assert "with neither a cgroup nor a pid namespace of its own" in result.stderr
    wait_until(lambda: len(family(user, container_id)) == 3, "three processes")
    found = family(user, container_id)
    user.ok("kill", "--all", container_id, "0")
    user.ok("delete", "--force", container_id)
    assert not [pid for pid in found if processes.alive(pid)]


def test_kill_of_a_shared_pid_namespace(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """Forking does not save anybody."""
    script = "f() { while :; do sleep 0.5 & done; }; f & f & sleep 1000"
    container_id, pid = running(user, shared(rootless(f"ulimit -u 200; {script}")))
    wait_until(lambda: len(family(user, container_id)) > 5, "some processes")
    user.ok("kill", container_id, "KILL")
    processes.wait_gone(pid)
    time.sleep(0.2)
    mine = [name for name in os.listdir("/proc") if name.isdigit() and is_users(name)]
    assert mine == []


def is_users(name: str) -> bool:
    try:
        return os.stat(f"/proc/{name}").st_uid == 54321 and processes.alive(int(name))
    except FileNotFoundError:
        return False
