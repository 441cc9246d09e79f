"""S7 (CVE-2021-30465) and S15 (CVE-2024-45310): links, and exchanges of links, where something is mounted or made.

That a race can be won cannot be shown in a fixed time, so the tests with a weakened copy take the race's last moment:
the link stands there already.  The races themselves are run against pyrunc only.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Hung
from tests.support.swapper import swapping
from tests.support.weakened import UNCONTAINED

pytestmark = pytest.mark.root

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


@attack("S7", "S15", weak={"uncontained": (UNCONTAINED,)})
@pytest.mark.parametrize("kind", list(MOUNTS))
def test_link(kind: str, bundle: BundleFactory, attacked: Attacked, canary: Canary, folder: Path) -> None:
    volume = folder / "volume"
    volume.mkdir()
    (volume / "a").symlink_to(canary.link)
    attacked.run(victim(bundle, (kind,), volume))
    broken_if(not canary.intact, f"made outside: {sorted(os.listdir(canary.path))}")


@attack("S7", "S15")
@pytest.mark.parametrize("kinds", [tuple(MOUNTS), ("folder",), ("cwd",)], ids=["all", "folder", "cwd"])
def test_race(
    kinds: tuple[str, ...],
    bundle: BundleFactory,
    attacked: Attacked,
    canary: Canary,
    folder: Path,
    swapper: Path,
    race_seconds: float,
) -> None:
    """Every container comes about or fails with an error in a bounded time, and nothing is made on the host."""
    volume = folder / "volume"
    (volume / "a").mkdir(parents=True)
    (volume / "link").symlink_to(canary.link)
    made = victim(bundle, kinds, volume)
    ended: list[int] = []
    end = time.monotonic() + (race_seconds if len(kinds) > 1 else race_seconds / 2)
    with swapping(swapper, volume / "a", volume / "link"):
        while time.monotonic() < end and canary.intact:
            try:
                result = attacked.run(made, timeout=20.0)
            except Hung:
                if attacked.own:
                    raise
                continue
            if attacked.own:
                assert "internal error" not in result.stderr
                assert "Traceback" not in result.stderr
            ended.append(result.returncode)
    broken_if(not canary.intact, f"made outside after {len(ended)} runs: {sorted(os.listdir(canary.path))}")
    if attacked.own:
        assert set(ended) <= {0, 1}
        assert ended
