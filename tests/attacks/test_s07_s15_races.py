"""S7 (CVE-2021-30465) and S15 (CVE-2024-45310): links, and exchanges of links, where something is mounted or made.

That a race can be won cannot be shown in a fixed time, so the tests with a weakened copy take the race's last moment:
the link stands there already.  The races themselves are run against pyrunc only.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc
from tests.support.swapper import swapping
from tests.support.weakened import UNCONTAINED

pytestmark = pytest.mark.root

SECONDS = 2.0
MOUNTS: dict[str, dict[str, Any]] = {
    "tmpfs": {"destination": "/vol/a/b", "type": "tmpfs", "source": "t"},
    "folder": {"destination": "/vol/a/c/d", "type": "none", "source": "/etc", "options": ["rbind"]},
    "file": {"destination": "/vol/a/f", "type": "none", "source": "/etc/hostname", "options": ["bind"]},
    "cwd": {},
}


def victim(bundle: BundleFactory, kinds: "tuple[str, ...]", volume: Path) -> Bundle:
    """A bundle with a hostile volume on /vol, and something to be made below /vol/a, which is missing there."""
    made = bundle("exit 0")
    made.config["mounts"].append(
        {"destination": "/vol", "type": "none", "source": str(volume), "options": ["rbind", "rprivate"]}
    )
    made.config["mounts"] += [MOUNTS[kind] for kind in kinds if kind != "cwd"]
    if "cwd" in kinds:
        made.config["process"]["cwd"] = "/vol/a/cwd/x"
    return made.save()


@pytest.mark.parametrize("kind", list(MOUNTS))
def test_link(kind: str, bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary, folder: Path) -> None:
    volume = folder / "volume"
    volume.mkdir()
    (volume / "a").symlink_to(canary.link)
    pyrunc.run(victim(bundle, (kind,), volume))
    assert canary.intact


@pytest.mark.parametrize("kind", list(MOUNTS))
def test_link_can_fail(
    kind: str, bundle: BundleFactory, weak: Callable[..., Pyrunc], canary: Canary, folder: Path
) -> None:
    volume = folder / "volume"
    volume.mkdir()
    (volume / "a").symlink_to(canary.link)
    weak(UNCONTAINED).run(victim(bundle, (kind,), volume))
    assert not canary.intact


def test_race(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary, folder: Path, swapper: Path) -> None:
    """Every container comes about or fails with an error in a bounded time, and nothing is made on the host."""
    volume = folder / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "link").symlink_to(canary.link)
    made = victim(bundle, tuple(MOUNTS), volume)
    ended: list[int] = []
    end = time.monotonic() + SECONDS
    with swapping(swapper, volume / "a", volume / "link"):
        while time.monotonic() < end:
            result = pyrunc.run(made, timeout=5.0)
            assert "internal error" not in result.stderr
            assert "Traceback" not in result.stderr
            ended.append(result.returncode)
    assert set(ended) <= {0, 1}
    assert len(ended) > 3
    assert canary.intact
