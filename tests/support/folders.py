"""The folders that tests work in: alike on every host, and removed without a look into other file systems."""

import os
import shutil
import subprocess
from pathlib import Path


def make_private(folder: Path) -> None:
    """As root: makes a folder a mount of its own with the usual attributes and without propagation.

    What a bind of it shows in a container is then the same whether the host's / is shared or mounted noatime or not.
    """
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "--make-private", folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,relatime", folder], check=True)


def mounts_below(folder: Path) -> list[str]:
    """Mounts of this mount namespace at the folder or below it, the deepest and last first."""
    with open("/proc/self/mountinfo") as file:
        places = [line.split()[4] for line in file]
    return [place for place in reversed(places) if Path(place) == folder or folder in Path(place).parents]


def remove(folder: Path) -> None:
    """Removes a folder and all in it.  Mounts that a test left below it, which may be binds of anything, are detached
    first and fail the test."""
    left = [place for place in mounts_below(folder) if Path(place) != folder]
    for place in mounts_below(folder):
        subprocess.run(["umount", "--lazy", "--no-canonicalize", place], check=True)
    shutil.rmtree(folder)
    assert not left, f"mounts left behind: {left}"
