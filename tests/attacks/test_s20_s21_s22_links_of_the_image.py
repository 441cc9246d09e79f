"""S20 (GHSA-3q8j-pf29-vwv8), S21 (CVE-2026-41579), S22 (CVE-2019-18837): links that the image holds."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary, secret
from tests.support.swapper import swapping
from tests.support.weakened import ANY_MOUNT, UNCONTAINED

pytestmark = pytest.mark.root


def own_dev(bundle: BundleFactory, canary: Canary, target: str) -> Bundle:
    """A container that uses its image's own /dev, which is a link."""
    made = bundle("exit 0")
    made.config["mounts"] = [mount for mount in made.config["mounts"] if not mount["destination"].startswith("/dev")]
    (made.rootfs / "dev").rmdir()
    (made.rootfs / "dev").symlink_to(target)
    return made.save()


@attack("S21", weak={"uncontained": (UNCONTAINED, ANY_MOUNT)}, when=lambda given: given["how"] == "relative")
@pytest.mark.parametrize("how", ["relative", "absolute"])
def test_dev_is_a_link(how: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """The marker `ptmx` outside stays, and no device is made there."""
    attacked.run(own_dev(bundle, canary, canary.link if how == "relative" else str(canary.path)))
    broken_if(not canary.intact, f"the host's folder has changed: {sorted(os.listdir(canary.path))}")


@attack("S20", weak={"uncontained": (UNCONTAINED,)})
@pytest.mark.parametrize("kind", ["maskedPaths", "readonlyPaths"])
def test_masked_through_a_link(kind: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """What is masked lies where the container sees it at that path, and nowhere else."""
    result = attacked.run(secret(bundle, canary, kind))
    broken_if(kind == "maskedPaths" and "secret" in result.stdout, "what is masked can be read")
    broken_if("made" in result.stdout, f"what is in {kind} can be written to")
    broken_if(not canary.intact, "the host's folder has changed")
    if attacked.own:
        assert result.stdout == ("\n" if kind == "maskedPaths" else "secret\n\n")


@attack("S20")
def test_masked_in_a_race(
    bundle: BundleFactory, attacked: Attacked, canary: Canary, folder: Path, swapper: Path, race_seconds: float
) -> None:
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
    end = time.monotonic() + race_seconds
    with swapping(swapper, volume / "secret", volume / "link"):
        while time.monotonic() < end:
            result = attacked.run(made, timeout=20.0)
            statuses.add(result.returncode)
            if attacked.own:
                assert "Traceback" not in result.stderr
    broken_if(not canary.intact, "the host's folder has changed")
    if attacked.own:
        assert statuses <= {0, 1}
        assert 0 in statuses


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


@attack("S22", weak={"uncontained": (UNCONTAINED,)}, when=lambda given: given["seed"] == 0)
@pytest.mark.parametrize("seed", range(3))
def test_tangle_of_links(seed: int, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
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
        result = attacked.run(made.save())
        seen = [line.split()[4] for line in result.stdout.splitlines() if " the-one " in line]
        broken_if(result.returncode == 0 and seen != [found], f"{path} is {found}, and mounted there: {seen}")
        if attacked.own:
            assert result.returncode == 0, result
    broken_if(not canary.intact, "the host's folder has changed")


@attack("S22")
@pytest.mark.parametrize("kind", ["loop", "long", "deep"])
def test_many_links(kind: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """Links in a circle, chains of more than the kernel follows, and paths beyond PATH_MAX."""
    made = bundle("exit 0")
    if kind == "loop":
        (made.rootfs / "l0").symlink_to("l1/x")
        (made.rootfs / "l1").symlink_to("l0/y")
    else:
        last = 60 if kind == "long" else 39
        for number in range(last):
            (made.rootfs / f"l{number}").symlink_to(f"{'./' * 50 if kind == 'deep' else ''}l{number + 1}")
        (made.rootfs / f"l{last}").symlink_to(canary.link)
    made.config["mounts"].append({"destination": "/l0/new/one", "type": "tmpfs", "source": "the-one"})
    attacked.in_time(lambda: attacked.run(made.save(), timeout=20), "a chain of links")
    broken_if(not canary.intact, "the host's folder has changed")
