"""S16 (CVE-2025-31133, CVE-2025-62161): the image's /dev/null is not what masks are made of."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc
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


@pytest.mark.parametrize("bind", [False, True], ids=["image", "volume"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_masks(kind: str, bind: bool, bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    """No container comes about, or one whose masks are the null device."""
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    result = pyrunc.run(hostile(bundle, KINDS[kind], bind))
    if bind or kind == "missing":
        assert result.returncode == 0, result
        assert result.stdout == "character special file 1:3\n" * 2
    else:
        assert result.returncode == 1
        assert "/dev/null is not the device c 1:3" in result.stderr
        assert result.stdout == ""
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_masks_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    result = weak(UNCHECKED).run(hostile(bundle, KINDS["file"]))
    assert result.stdout.endswith("leak\nleak\n")
