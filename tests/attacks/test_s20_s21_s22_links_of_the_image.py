"""S20 (GHSA-3q8j-pf29-vwv8), S21 (CVE-2026-41579), S22 (CVE-2019-18837), S25: links that the image holds."""

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc
from tests.support.swapper import swapping
from tests.support.weakened import UNCONTAINED

pytestmark = pytest.mark.root


def own_dev(bundle: BundleFactory, canary: Canary, target: str) -> Bundle:
    """A container that uses its image's own /dev, which is a link."""
    made = bundle("exit 0")
    made.config["mounts"] = [mount for mount in made.config["mounts"] if not mount["destination"].startswith("/dev")]
    (made.rootfs / "dev").rmdir()
    (made.rootfs / "dev").symlink_to(target)
    return made.save()


def test_dev_is_a_link(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    """The marker `ptmx` outside stays, and no device is made there."""
    pyrunc.run(own_dev(bundle, canary, canary.link))
    assert canary.intact
    pyrunc.run(own_dev(bundle, canary, str(canary.path)))
    assert canary.intact


def test_dev_is_a_link_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], canary: Canary) -> None:
    weak(UNCONTAINED).run(own_dev(bundle, canary, canary.link))
    assert os.path.islink(canary.path / "ptmx")
    assert not canary.intact


def secret(bundle: BundleFactory, canary: Canary, kind: str) -> Bundle:
    """A container that masks, or makes read-only, what a link leads to; it tries to reach that."""
    made = bundle("cat /vol/secret/file; echo x > /vol/secret/file; echo; mkdir /vol/secret/y && echo made")
    inside = made.rootfs / str(canary.path).lstrip("/")
    inside.mkdir(parents=True)
    (inside / "file").write_text("secret\n")
    (made.rootfs / "vol").mkdir()
    (made.rootfs / "vol/secret").symlink_to(canary.link)
    made.config["root"]["readonly"] = False
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    made.config["linux"][kind] = ["/vol/secret"]
    return made.save()


@pytest.mark.parametrize("kind", ["maskedPaths", "readonlyPaths"])
def test_masked_through_a_link(kind: str, bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    result = pyrunc.run(secret(bundle, canary, kind))
    assert result.stdout == ("\n" if kind == "maskedPaths" else "secret\n\n")
    assert canary.intact


@pytest.mark.parametrize("kind", ["maskedPaths", "readonlyPaths"])
def test_masked_through_a_link_can_fail(
    kind: str, bundle: BundleFactory, weak: Callable[..., Pyrunc], canary: Canary
) -> None:
    """What is masked lies somewhere else than what the container sees at that path."""
    assert weak(UNCONTAINED).run(secret(bundle, canary, kind)).stdout == "secret\n\nmade\n"


def test_masked_in_a_race(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary, folder: Path, swapper: Path) -> None:
    """The masked folder of a shared volume is exchanged with a link all the time: no mask, and nothing else, comes to
    lie outside.  (Which of the two is masked is a matter of luck: a path in a hostile volume has no one meaning.)"""
    volume = folder / "volume"
    (volume / "secret").mkdir(parents=True)
    (volume / "link").symlink_to(canary.link)
    made = bundle("exit 0")
    made.config["mounts"].append({"destination": "/vol", "type": "none", "source": str(volume), "options": ["rbind"]})
    made.config["linux"]["maskedPaths"] += ["/vol/secret", "/vol/secret/x"]
    made.config["linux"]["readonlyPaths"] += ["/vol/secret"]
    made.save()
    statuses = set()
    end = time.monotonic() + 2.0
    with swapping(swapper, volume / "secret", volume / "link"):
        while time.monotonic() < end:
            result = pyrunc.run(made, timeout=5.0)
            assert "Traceback" not in result.stderr
            statuses.add(result.returncode)
    assert statuses <= {0, 1}
    assert 0 in statuses
    assert canary.intact


def tangle(rootfs: Path, canary: Canary, seed: int) -> list[str]:
    """Fills the image with folders and links of all kinds; paths to try."""
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(12)]
    for name in names:
        kind = chance.randrange(6)
        other, third = chance.choice(names), chance.choice(names)
        target = ["", f"/{other}", f"../{other}", f"{other}/../{third}", canary.link, f"../../{other}/x"][kind]
        if kind:
            (rootfs / name).symlink_to(target)
        else:
            (rootfs / name / "x").mkdir(parents=True)
            (rootfs / name / "up").symlink_to("../" * chance.randrange(1, 9) + other)
    return [f"/{one}/{two}" for one in names for two in ("", "x", "up")]


@pytest.mark.parametrize("seed", range(3))
def test_tangle_of_links(seed: int, bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    """A mount on any path appears where chroot(2) would find that path, however it gets there."""
    made = bundle("exit 0")
    paths = tangle(made.rootfs, canary, seed)
    inside = made.rootfs / str(canary.path).lstrip("/")
    inside.mkdir(parents=True)
    script = "for p in $PATHS; do (cd $p 2>/dev/null && pwd -P || echo -); done"
    oracle = subprocess.run(
        ["chroot", made.rootfs, "/bin/sh", "-c", script],
        env={"PATHS": " ".join(paths), "PATH": "/bin:/sbin:/usr/sbin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    reachable = [(path, found) for path, found in zip(paths, oracle, strict=True) if found not in ("-", "/")]
    made.config["process"]["args"] = ["/bin/cat", "/proc/self/mountinfo"]
    mounts = made.config["mounts"]
    for path, found in random.Random(seed).sample(reachable, 4):
        made.config["mounts"] = [*mounts, {"destination": path, "type": "tmpfs", "source": "the-one"}]
        result = pyrunc.run(made.save())
        assert result.returncode == 0, result
        assert [line.split()[4] for line in result.stdout.splitlines() if " the-one " in line] == [found]
    assert canary.intact
