"""Attacks on paths, mounts and procfs (S5 to S7, S14 to S18, S20 to S22) with each newer system call denied in turn.

Where pyrunc does without the call, an attack has to end as it does with all calls; where it refuses to work, it must
have refused before it met the attack.  PYRUNC_DENIED=full (`make denied`) takes every attack with every call.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary, secret
from tests.support.denied import CALLS, CREATE_WORKS, ERRORS, EXEC_WORKS, UNNEEDED, DenyFactory, assert_refused, run
from tests.support.runtime import Pyrunc
from tests.support.swapper import swapping
from tests.support.weakened import Change

pytestmark = pytest.mark.root

ALL = os.environ.get("PYRUNC_DENIED") == "full"
Hostile = Callable[[BundleFactory, Canary], Bundle]
UNCHECKED: Change = ("pyrunc/kernel_calls.py", "    if found:\n        raise lacking(found)\n", "")
BY_STRING: Change = (
    "pyrunc/operations/paths.py",
    """                raise PyruncError(
                    str(error),
                    errno=error.errno or 0,
""",
    """                try:
                    return posix.open(path.lstrip("/") or ".", flags | posix.O_CLOEXEC, dir_fd=root)
                except OSError as failed:
                    raise SystemCallError(failed.errno or 0, "open", path) from None
                raise PyruncError(
                    str(error),
                    errno=error.errno or 0,
""",
)
"""Without openat2 the next best thing."""


def bound(destination: str, source: "str | Path") -> dict[str, Any]:
    return {"destination": destination, "type": "none", "source": str(source), "options": ["rbind", "rprivate"]}


def target(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S7, S15: mounts and the working directory below a link of a hostile volume."""
    made = bundle("exit 0")
    (made.path / "volume").mkdir()
    (made.path / "volume/a").symlink_to(canary.link)
    made.config["mounts"] += [
        bound("/vol", made.path / "volume"),
        {"destination": "/vol/a/b", "type": "tmpfs", "source": "t"},
        bound("/vol/a/c/d", "/etc"),
        {**bound("/vol/a/f", "/etc/hostname"), "options": ["bind"]},
    ]
    made.config["process"]["cwd"] = "/vol/a/cwd"
    return made


def forged(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S5, S18: something else where the kernel's files have to be."""
    made = bundle("cat /proc/sys/kernel/core_pattern")
    made.config["mounts"].append(bound("/l/sys", canary.path))
    (made.rootfs / "l").symlink_to("/proc")
    return made


def sysctl(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S18: a sysctl, and the image has a file of that name."""
    made = bundle("cat /proc/sys/net/ipv4/ip_forward")
    made.config["mounts"] = [mount for mount in made.config["mounts"] if mount["destination"] != "/proc"]
    made.config["linux"].update(sysctl={"net.ipv4.ip_forward": "1"}, maskedPaths=[], readonlyPaths=[])
    (made.rootfs / "proc/sys/net/ipv4").mkdir(parents=True)
    (made.rootfs / "proc/sys/net/ipv4/ip_forward").write_text("the image's\n")
    return made


def proc(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S6: /proc is a link."""
    made = bundle("echo ran")
    (made.rootfs / "proc").rmdir()
    (made.rootfs / "proc").symlink_to(canary.link)
    return made


def without_dev(made: Bundle) -> Bundle:
    """Uses its image's own /dev."""
    made.config["mounts"] = [mount for mount in made.config["mounts"] if not mount["destination"].startswith("/dev")]
    made.config["root"]["readonly"] = False
    return made


def null(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S16: a /dev/null, on a volume, that a mask must not be made of."""
    made = without_dev(bundle("stat -c '%F %t:%T' /proc/keys /etc/passwd"))
    (made.path / "dev").mkdir()
    (made.path / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    made.config["mounts"].append(bound("/dev", made.path / "dev"))
    made.config["linux"]["maskedPaths"] = ["/proc/keys", "/etc/passwd"]
    return made


def console(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S17: /dev/console is a link."""
    made = without_dev(bundle("echo ran", terminal=True))
    made.config["mounts"].append({"destination": "/dev/pts", "type": "devpts", "source": "devpts"})
    (made.rootfs / "dev/console").symlink_to("/etc/passwd")
    return made


def dev(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S21: /dev is a link."""
    made = without_dev(bundle("exit 0"))
    (made.rootfs / "dev").rmdir()
    (made.rootfs / "dev").symlink_to(canary.link)
    return made


def hidden(bundle: BundleFactory, canary: Canary) -> Bundle:
    """S20, S22: what is masked is reached through a link."""
    return secret(bundle, canary, "maskedPaths")


def protected(bundle: BundleFactory, canary: Canary) -> Bundle:
    """The same for read-only paths."""
    return secret(bundle, canary, "readonlyPaths")


ATTACKS: dict[str, Hostile] = {
    attack.__name__: attack for attack in (target, forged, sysctl, proc, null, console, dev, hidden, protected)
}
ENDINGS = {
    "sysctl": "the image's\n",
    "null": "character special file 1:3\n" * 2,
    "hidden": "\n",
    "protected": "secret\n\n",
}
"""What those print that come to run."""

REFUSED = [(call, error) for call in CALLS if call not in CREATE_WORKS for error in ERRORS]


@pytest.mark.parametrize(
    ("name", "call", "error"),
    [
        (name, *case)
        for turn, case in enumerate(REFUSED if ALL else REFUSED[::3])
        for name in (ATTACKS if ALL else [list(ATTACKS)[turn % len(ATTACKS)]])
    ],
)
def test_refused(name: str, call: str, error: str, bundle: BundleFactory, deny: DenyFactory, canary: Canary) -> None:
    """There is nothing to attack."""
    pyrunc = deny(error, call)
    made = ATTACKS[name](bundle, canary).save()
    options = ["--console-socket", "/nonexistent"] if made.config["process"].get("terminal") else []
    assert_refused(pyrunc("create", *options, "--bundle", made, pyrunc.new_id()), call, error, pyrunc)
    assert canary.intact


def test_refused_can_fail(
    bundle: BundleFactory, weak: Callable[..., Pyrunc], deny: DenyFactory, canary: Canary
) -> None:
    """A runtime that goes on with what there is can be led out of the root."""
    deny("ENOSYS", "openat2", of=weak(UNCHECKED, BY_STRING)).run(target(bundle, canary).save())
    assert not canary.intact


@pytest.mark.parametrize(
    ("name", "call", "error"),
    [
        (name, call, error)
        for call in sorted(CREATE_WORKS)
        for number, name in enumerate(ATTACKS)
        for turn, error in enumerate(ERRORS)
        if ALL or number % len(ERRORS) == turn
    ],
)
def test_held(name: str, call: str, error: str, bundle: BundleFactory, deny: DenyFactory, canary: Canary) -> None:
    """The attack ends as it does with all calls, which is without success."""
    ends = []
    for denied in (call, UNNEEDED):
        pyrunc = deny(error, denied)
        result = run(pyrunc, ATTACKS[name](bundle, canary).save())
        # At a terminal the error is there, too, with the container's id.
        ends.append((result.returncode, re.sub(r"pyrunc-test-\S+: ", "", result.stdout)))
        assert canary.intact
    assert ends[0] == ends[1]
    if name in ENDINGS:
        assert ends[0][1] == ENDINGS[name]
    else:
        assert ends[0][0] == 1 or name in ("target", "dev")
        assert "ran" not in ends[0][1]


@pytest.mark.parametrize(
    ("call", "error"),
    [(call, error) for call in sorted(EXEC_WORKS) for error in ERRORS] if ALL else [("mount_setattr", "EPERM")],
)
def test_exec_held(call: str, error: str, bundle: BundleFactory, deny: DenyFactory, canary: Canary) -> None:
    """S14: no descriptor of the host's can be found in an exec, as a directory or in the way to a program."""
    pyrunc = deny(error, call, only=("exec",))
    container_id, _ = pyrunc.create(bundle("exit 0"))
    file = canary.path / "file"
    for number in range(3, 9):
        place = f"/proc/self/fd/{number}"
        look = pyrunc("exec", "--cwd", place, container_id, "/bin/sh", "-c", f"cat 1/root{file} ../..{file}")
        assert look.returncode != 0
        assert look.stdout == ""
        assert pyrunc("exec", container_id, f"{place}/bin/sh", "-c", "echo ran").stdout == ""
    assert pyrunc.ok("exec", container_id, "ls", "/proc/self/fd").stdout.split() == ["0", "1", "2", "3"]


@pytest.mark.skipif(not ALL, reason="takes long: make denied")
@pytest.mark.parametrize("error", list(ERRORS))
@pytest.mark.parametrize("call", sorted(CREATE_WORKS))
def test_race(call: str, error: str, bundle: BundleFactory, deny: DenyFactory, canary: Canary, swapper: Path) -> None:
    """The link of S7 and S15, exchanged with a folder all the time; masks on them, too (S20)."""
    pyrunc = deny(error, call)
    made = target(bundle, canary)
    volume = made.path / "volume"
    (volume / "a").rename(volume / "link")
    (volume / "a").mkdir()
    made.config["linux"]["maskedPaths"] += ["/vol/a", "/vol/a/x"]
    made.save()
    ended = set()
    end = time.monotonic() + 3
    with swapping(swapper, volume / "a", volume / "link"):
        while time.monotonic() < end:
            ended.add(pyrunc.run(made, timeout=20).returncode)
    assert ended <= {0, 1}
    assert canary.intact
