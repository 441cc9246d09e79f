"""Hostile root file systems and volumes, while the container's file system is being made."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pyrunc.operations.build import Build
from tests.support.filesystem import Failed, mountinfo, perform, plan
from tests.support.swapper import build_swapper, swapping

pytestmark = pytest.mark.root

DEV = {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["bind"]}
PROC = {"destination": "/proc", "type": "proc", "source": "proc"}
RACE_SECONDS = 1.5
ENOUGH = 20  # rounds
PATIENCE = 40.0  # seconds


@pytest.fixture
def rootfs(folder: Path) -> str:
    """The path of an empty root file system; beside it the canary, which must stay as it is."""
    (folder / "rootfs").mkdir()
    (folder / "canary").mkdir()
    (folder / "canary/file").write_text("host")
    return str(folder / "rootfs")


def run(rootfs: str, *mounts: dict[str, Any], look: Any = None, linux: Any = None, **more: Any) -> Any:
    config = {"mounts": [*mounts, DEV], "linux": linux or {}}
    return perform(plan(config, os.path.dirname(rootfs)), rootfs, look or (lambda _: mountinfo()), **more)


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["real", "/real", "missing", "../canary", "/../canary", "self", "."])
def test_proc_and_sys_are_never_links(rootfs: str, name: str, target: str) -> None:
    """CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867."""
    (Path(rootfs) / "real").mkdir()
    os.symlink(target if target != "self" else name, f"{rootfs}/{name}")
    with pytest.raises(Failed, match=f"/{name} must be an ordinary directory, reached through no link"):
        run(rootfs, {"destination": f"/{name}", "type": {"proc": "proc", "sys": "sysfs"}[name], "source": "x"})


def test_proc_is_a_file(rootfs: str) -> None:
    (Path(rootfs) / "proc").write_text("")
    with pytest.raises(Failed, match="/proc must be an ordinary directory"):
        run(rootfs, PROC)


def test_only_a_whole_procfs_may_be_bound_on_proc(rootfs: str, folder: Path) -> None:
    """CVE-2019-16884: a forged /proc takes the writes of LSM labels."""
    for source in (f"{folder}/canary", "/proc/self", "/proc/sys", "/sys"):
        with pytest.raises(Failed, match=r'"/proc" cannot be mounted because it is not of type proc'):
            run(rootfs, {"destination": "/proc", "source": source, "options": ["rbind"]})
    assert run(rootfs, {"destination": "/proc", "source": "/proc", "options": ["rbind"]})["/proc"]["type"] == "proc"
    os.rmdir(f"{rootfs}/proc")
    os.symlink("/real", f"{rootfs}/proc")
    with pytest.raises(Failed, match="/proc must be an ordinary directory"):
        run(rootfs, {"destination": "/proc", "source": "/proc", "options": ["rbind"]})


@pytest.mark.parametrize("destination", ["/link/self", "/link/sys/kernel", "/deep/link2/attr"])
def test_links_into_proc(rootfs: str, destination: str) -> None:
    os.symlink("/proc", f"{rootfs}/link")
    (Path(rootfs) / "deep").mkdir()
    os.symlink("../link/thread-self", f"{rootfs}/deep/link2")
    with pytest.raises(Failed, match=f'"{destination}" cannot be mounted because it is inside /proc'):
        run(rootfs, PROC, {"destination": destination, "type": "tmpfs", "source": "t"})


def test_another_procfs_may_be_mounted_on(rootfs: str) -> None:
    table = run(
        rootfs,
        PROC,
        {"destination": "/host/proc", "source": "/proc", "options": ["rbind"]},
        {"destination": "/host/proc/sys", "type": "tmpfs", "source": "t"},
    )
    assert table["/host/proc/sys"]["type"] == "tmpfs"


def test_links_of_the_root_lead_nowhere_outside(rootfs: str, folder: Path) -> None:
    os.symlink("../../../../.." + str(folder / "canary"), f"{rootfs}/up")
    os.symlink(str(folder / "canary"), f"{rootfs}/absolute")
    inside = rootfs + str(folder / "canary")
    run(
        rootfs,
        {"destination": "/up/a", "type": "tmpfs", "source": "t"},
        {"destination": "/absolute/b", "source": "/etc/hostname", "options": ["bind"]},
    )
    assert sorted(os.listdir(inside)) == ["a", "b"]
    assert os.listdir(folder / "canary") == ["file"]


def race(
    rootfs: str, folder: Path, session_folder: Path, *mounts: dict[str, Any], linux: Any = None
) -> tuple[int, int]:
    """Builds containers while /vol/a and a link to the outside are exchanged: how many came about, how many failed."""
    volume = folder / "volume"
    (volume / "a/b").mkdir(parents=True)
    (volume / "a/secret").mkdir()
    os.symlink("../../../../.." + str(folder / "canary"), volume / "link")
    (folder / "canary/b").mkdir(exist_ok=True)
    (folder / "canary/secret").mkdir(exist_ok=True)
    bind = {"destination": "/vol", "source": str(volume), "options": ["rbind", "rprivate"]}
    canary = str(folder / "canary")

    def look(_: Build) -> Any:
        # Before pivot_root: the mounts of the whole namespace, the host's tree included.
        with open("/proc/self/mountinfo") as file:
            points = [line.split(" ")[4] for line in file]
        return [point for point in points if point.startswith(canary)]

    done = failed = 0
    end = time.monotonic() + RACE_SECONDS
    with swapping(build_swapper(session_folder), volume / "a", volume / "link"):
        # On a slow machine for as long as enough rounds take.
        while time.monotonic() < end or (done + failed <= ENOUGH and time.monotonic() < end + PATIENCE):
            try:
                outside = run(rootfs, bind, *mounts, look=look, linux=linux, pivoted=False)
                assert outside == [], "mounted outside the root"
                done += 1
            except Failed as error:
                assert error.errno in (2, 11, 20, 22, 40) or "exchanged" in str(error), str(error)
                failed += 1
    assert (folder / "canary/file").read_text() == "host"
    assert sorted(os.listdir(folder / "canary")) == ["b", "file", "secret"]
    assert os.listdir(folder / "canary/b") == []
    return done, failed


def test_racing_mount_targets(rootfs: str, folder: Path, session_folder: Path) -> None:
    """CVE-2021-30465, and CVE-2024-45310 for the target that does not exist."""
    done, failed = race(
        rootfs,
        folder,
        session_folder,
        {"destination": "/vol/a/b", "type": "tmpfs", "source": "t"},
        {"destination": "/vol/a/b2/c", "source": "/etc", "options": ["bind"]},
        {"destination": "/vol/a/b3/f", "source": "/etc/hostname", "options": ["bind"]},
    )
    assert done + failed > ENOUGH


def test_racing_masks_and_readonly_paths(rootfs: str, folder: Path, session_folder: Path) -> None:
    """GHSA-3q8j-pf29-vwv8: whatever is masked was looked up once, inside the root."""
    done, failed = race(
        rootfs,
        folder,
        session_folder,
        linux={"maskedPaths": ["/vol/a/secret"], "readonlyPaths": ["/vol/a/b"]},
    )
    assert done + failed > ENOUGH
