"""S16 (CVE-2025-31133, CVE-2025-62161): the image's /dev/null is not what masks are made of."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.swapper import swapping
from tests.support.weakened import Change

pytestmark = pytest.mark.root

UNCHECKED: Change = (
    "pyrunc/operations/devices.py",
    "        if status.st_mode & 0o170000 != TYPES[self.kind] or status.st_rdev != self.device:\n",
    "        if not status.st_mode:\n",
)


def hostile(bundle: BundleFactory, make: Callable[[Path], None], bind: bool = False) -> Bundle:
    """A container that uses its image's own /dev, which has something else at /dev/null, and masks two files."""
    # Into a file: a runtime that takes the image's device for the null device may also exchange its output with it.
    made = bundle("stat -c '%F %t:%T' /proc/keys /secret > /log")
    made.config["root"]["readonly"] = False
    made.config["mounts"] = [mount for mount in made.config["mounts"] if not mount["destination"].startswith("/dev")]
    if bind:  # as a volume: then no device is made
        device = made.path / "dev"
        (made.rootfs / "dev").rename(device)
        (made.rootfs / "dev").mkdir()
        made.config["mounts"].append(
            {"destination": "/dev", "type": "none", "source": str(device), "options": ["rbind"]}
        )
    else:
        device = made.rootfs / "dev"
    (made.rootfs / "secret").write_text("secret\n")
    made.config["linux"]["maskedPaths"] = ["/proc/keys", "/secret"]
    make(device / "null")
    return made.save()


SYSCTL = "/proc/sys/kernel/domainname"
"""A file of procfs whose contents are the container's own: the host does not change when an attack on it succeeds."""
MASKED = ["character special file 1:3"] * 2
KINDS: dict[str, Callable[[Path], None]] = {
    "file": lambda path: path.write_text("leak\n") and None,
    "link": lambda path: path.symlink_to(SYSCTL),
    "folder": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "zero": lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),
    "block": lambda path: os.mknod(path, 0o60666, os.makedev(1, 3)),
    "missing": lambda path: None,
}


@attack("S16", weak={"unchecked": (UNCHECKED,)}, when=lambda given: given["kind"] == "file" and not given["bind"])
@pytest.mark.parametrize("bind", [False, True], ids=["image", "volume"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_masks(kind: str, bind: bool, bundle: BundleFactory, attacked: Attacked) -> None:
    """No container comes about, or one whose masks are the null device: nothing else can be read or written there."""
    made = hostile(bundle, KINDS[kind], bind)
    result = attacked.run(made)
    lines = seen(made)
    broken_if(lines not in ([], MASKED), f"masked by something else: {lines}")
    if attacked.own:
        if bind or kind == "missing":
            assert result.returncode == 0, result
            assert lines == MASKED
        else:
            assert result.returncode == 1
            assert "/dev/null is not the device c 1:3" in result.stderr
            assert lines == []


def seen(made: Bundle) -> list[str]:
    """What the container has found at the masked paths."""
    log = made.rootfs / "log"
    return log.read_text().splitlines() if log.exists() else []


@attack("S16")
def test_race(bundle: BundleFactory, attacked: Attacked, folder: Path, swapper: Path, race_seconds: float) -> None:
    """/dev/null of a shared volume is exchanged with a link to a file of procfs all the time."""
    made = hostile(bundle, lambda path: os.mknod(path, 0o20666, os.makedev(1, 3)), bind=True)
    device = made.path / "dev"
    (device / "link").symlink_to(SYSCTL)
    end = time.monotonic() + race_seconds
    with swapping(swapper, device / "null", device / "link"):
        while time.monotonic() < end:
            result = attacked.run(made, timeout=20)
            lines = seen(made)
            broken_if(lines not in ([], MASKED), f"masked by something else: {lines}")
            if attacked.own:
                assert result.returncode in (0, 1)
                assert "Traceback" not in result.stderr
