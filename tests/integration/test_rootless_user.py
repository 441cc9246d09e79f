"""Containers of an ordinary user, without anything that root has set up but the names of his subordinate ids."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.bundles import Bundle
from tests.support.inside import see
from tests.support.ordinary_user import NAME, SUBORDINATE, UID, OrdinaryUser

pytestmark = pytest.mark.root

FIRST, SIZE = SUBORDINATE
SLEEP = ("/bin/sleep", "1000")


def see_as(caller: OrdinaryUser, made: Bundle, *asked: str, **process: Any) -> dict[str, Any]:
    """What the probe sees in the container of a bundle, with those fields of `process` changed."""
    made.config["process"].update(process, args=["/bin/probe", *asked])
    return see(caller, made)


def words(lines: "list[str]") -> list[list[int]]:
    return [[int(number) for number in line.split()] for line in lines]


def refusal(user: OrdinaryUser, made: Bundle) -> tuple[str, str]:
    """The message and the hint (or "") of a container that cannot be made, of which nothing is left."""
    result = user.run(made.save())
    assert result.returncode == 1, result
    assert user.containers() == []
    message, _, hint = result.stderr.rstrip("\n").partition("\nhint: ")
    return message.split(": ", 2)[2], hint


# The first five minutes.


def test_spec_and_run(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """What the user's guide says: `spec --rootless`, and `run`, with nothing changed but the terminal."""
    made = rootless()
    (made.path / "config.json").unlink()
    user.ok("spec", "--rootless", "--bundle", made.path)
    made.config = json.loads((made.path / "config.json").read_text())
    assert made.config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": UID, "size": 1}]
    made.config["process"]["terminal"] = False
    seen = see_as(user, made)
    assert (words(seen["uid_map"]), words(seen["gid_map"])) == ([[0, UID, 1]], [[0, UID, 1]])
    assert (seen["uid"], seen["gid"], seen["setgroups"]) == ([0] * 3, [0] * 3, "deny")
    places = {line.split()[4] for line in seen["mountinfo"]}
    assert places >= {"/", "/proc", "/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"}
    cgroups = Path("/proc/self/cgroup").read_text().splitlines()
    assert seen["cgroups"] == (["0::/"] if {"type": "cgroup"} in made.config["linux"]["namespaces"] else cgroups)


def test_life_cycle(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    container_id, _ = user.create(rootless(SLEEP))
    state = user.state(container_id)
    assert state["status"] == "created"
    assert Path(f"/proc/{state['pid']}").stat().st_uid == UID
    assert (user.runtime_dir / "pyrunc").stat().st_mode & 0o7777 == 0o1700
    user.ok("start", container_id)
    assert user.ok("exec", container_id, "id", "-u").stdout == "0\n"
    assert container_id in user.ok("list", "--quiet").stdout.split()
    user.ok("kill", container_id, "KILL")
    user.wait_status(container_id, "stopped")
    user.ok("delete", container_id)


def test_delete_by_force(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    container_id = user.new_id()
    user.ok("run", "--detach", "--bundle", rootless(SLEEP), container_id)
    pid = user.state(container_id)["pid"]
    user.ok("delete", "--force", container_id)
    assert not processes.alive(pid)


# Subordinate ids.


def test_ranges(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """By newuidmap and newgidmap: users, groups and group tty are to be had, and files belong to them."""
    made = rootless(ranges=True)
    pts = next(mount for mount in made.config["mounts"] if mount["destination"] == "/dev/pts")
    pts["options"].append("gid=5")
    account = {"uid": 5, "gid": 6, "additionalGids": [7, 8]}
    seen = see_as(user, made, "stat:/dev/pts/ptmx", user=account)
    assert words(seen["uid_map"]) == words(seen["gid_map"]) == [[0, UID, 1], [1, FIRST, SIZE]]
    assert (seen["uid"], seen["gid"], sorted(seen["groups"])) == ([5] * 3, [6] * 3, [7, 8])
    assert seen["setgroups"] == "allow"


def test_exec_with_ranges(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    container_id, _ = user.create(rootless(SLEEP, ranges=True))
    user.ok("start", container_id)
    seen = user.ok("exec", "--user", "5:6", "--additional-gids", "7", container_id, "/bin/probe").json()
    assert (seen["uid"], seen["gid"], seen["groups"]) == ([5] * 3, [6] * 3, [7])


def test_many_ranges(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """As many as the kernel takes: its limits are 340 lines and a page of text."""
    made = rootless()
    entries = [{"containerID": 1 + 2 * n, "hostID": FIRST + 2 * n, "size": 1} for n in range(220)]
    made.config["linux"]["uidMappings"] = made.config["linux"]["gidMappings"] = [
        {"containerID": 0, "hostID": UID, "size": 1},
        *entries,
    ]
    assert len(see_as(user, made)["uid_map"]) == 221


def test_host_groups_are_dropped(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """Where groups can be set, none of the caller's comes along; where they cannot, all do."""
    user.groups = "--groups=7777"
    assert see_as(user, rootless(ranges=True))["groups"] == []
    assert see_as(user, rootless())["groups"] == [65534]


@pytest.mark.parametrize(
    ("lines", "name", "reason", "hint"),
    [
        (
            [],
            NAME,
            f"newuidmap: uid range [1-{SIZE + 1}) -> [{FIRST}-{FIRST + SIZE}) not allowed",
            f"/etc/subuid has no entry for {NAME}: usermod --add-subuids 100000-165535 {NAME} (as root) makes one",
        ),
        (
            [f"{NAME}:{FIRST}:10", f"{UID}:900000:5"],
            NAME,
            f"newuidmap: uid range [1-{SIZE + 1}) -> [{FIRST}-{FIRST + SIZE}) not allowed",
            (
                f"linux.uidMappings[1] asks for {FIRST} to {FIRST + SIZE - 1}, "
                f"/etc/subuid allows {NAME} {FIRST} to {FIRST + 9}, 900000 to 900004"
            ),
        ),
        (
            [f"{NAME}:{FIRST}:{SIZE}"],
            "",
            "newuidmap: Cannot determine your user name.",
            f"user {UID} has no entry in /etc/passwd, which newuidmap needs",
        ),
    ],
    ids=["no entry", "too few", "no name"],
)
def test_subordinate_ids_that_are_not_allowed(
    lines: "list[str]", name: str, reason: str, hint: str, user: OrdinaryUser, rootless: Callable[..., Bundle]
) -> None:
    user.write_files(lines, name)
    assert refusal(user, rootless(ranges=True)) == (f"linux.uidMappings: write uid_map: {reason}", hint)


def test_the_configuration_of_another_user(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    made = rootless()
    for kind in ("uidMappings", "gidMappings"):
        made.config["linux"][kind] = [{"containerID": 0, "hostID": UID + 1, "size": 1}]
    reason, hint = refusal(user, made)
    expected = f"newuidmap: uid range [0-1) -> [{UID + 1}-{UID + 2}) not allowed"
    assert reason == f"linux.uidMappings: write uid_map: {expected}"
    assert hint == f"linux.uidMappings maps {UID + 1}, the caller is {UID}: `pyrunc spec --rootless` maps the caller"


def test_without_new_privileges(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    user.groups = "--no-new-privs --clear-groups"
    reason, hint = refusal(user, rootless(ranges=True))
    assert reason.startswith("linux.uidMappings: write uid_map: newuidmap: ")
    assert hint.endswith("newuidmap gains no privileges: this process has no_new_privs set")
    assert see_as(user, rootless())["uid"] == [0] * 3


def test_without_the_programs(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """A bundle's own newuidmap in the current directory, which $PATH names, is not taken."""
    user.hold()
    empty = user.files / "empty"
    empty.write_text("")
    for place in ("/usr/bin/newuidmap", "/bin/newuidmap"):
        if os.path.exists(place) and not os.path.islink(os.path.dirname(place)):
            holder = f"--mount=/proc/{user.hold()}/ns/mnt"
            subprocess.run(["nsenter", holder, "mount", "--bind", empty, place], check=True)
    made = rootless(ranges=True)
    trap = made.path / "newuidmap"
    trap.write_text("#!/bin/sh\ntouch trapped\n")
    trap.chmod(0o755)
    result = user.run(made, cwd=made.path, env={**user.environment, "PATH": f".:{user.environment['PATH']}"})
    assert "linux.uidMappings: write uid_map: newuidmap: not found\nhint: it maps more than the user's own uid" in (
        result.stderr
    )
    assert not (made.path / "trapped").exists()
