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
    made = bundle("stat -c '%F %t:%T' /proc/keys /secret; cat /secret /proc/keys")
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


KINDS: dict[str, Callable[[Path], None]] = {
    "file": lambda path: path.write_text("leak\n") and None,
    "link": lambda path: path.symlink_to("/proc/sys/kernel/core_pattern"),
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
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    result = attacked.run(hostile(bundle, KINDS[kind], bind))
    lines = result.stdout.splitlines()
    broken_if(lines and lines[:2] != ["character special file 1:3"] * 2, f"masked by something else: {lines[:2]}")
    broken_if(lines[2:], "read at a masked path")
    broken_if(Path("/proc/sys/kernel/core_pattern").read_text() != before, "a sysctl of the host has changed")
    if attacked.own:
        if bind or kind == "missing":
            assert result.returncode == 0, result
        else:
            assert result.returncode == 1
            assert "/dev/null is not the device c 1:3" in result.stderr
            assert result.stdout == ""


@attack("S16")
def test_race(bundle: BundleFactory, attacked: Attacked, folder: Path, swapper: Path, race_seconds: float) -> None:
    """/dev/null of a shared volume is exchanged with a link to a file of procfs all the time."""
    made = hostile(bundle, lambda path: os.mknod(path, 0o20666, os.makedev(1, 3)), bind=True)
    device = made.path / "dev"
    (device / "link").symlink_to("/proc/sys/kernel/hostname")
    end = time.monotonic() + race_seconds
    with swapping(swapper, device / "null", device / "link"):
        while time.monotonic() < end:
            result = attacked.run(made, timeout=20)
            lines = result.stdout.splitlines()
            broken_if(lines and lines[:2] != ["character special file 1:3"] * 2, f"masked by something else: {lines}")
            if attacked.own:
                assert result.returncode in (0, 1)
                assert "Traceback" not in result.stderr
