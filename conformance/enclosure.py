"""Namespaces for engines: none sees the host's network, processes or /run, and all ends with the first process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAMESPACES = (
    "--mount",
    "--net",
    "--pid",
    "--ipc",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
)
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
# The shell is process 1 in there: it reaps what engines leave behind.
SHELL = '"$@"; exit $?'
# Where engines write whatever they are told: locks, caches, keys, plugins.
PLACES = (
    "/run",
    "/dev/shm",
    "/etc/cni/net.d",
    "/etc/containers/networks",
    "/etc/docker",
    "/opt/containerd",
    "/var/lib/cni",
    "/var/lib/containers",
)
# What users of a run's own are put into.
FILES = ("/etc/subuid", "/etc/subgid")


@contextmanager
def places() -> Iterator[None]:
    """Sees that all these are there, to have others mounted on them, and takes away what it has made."""
    made: list[Path] = []
    try:
        for place in map(Path, PLACES):
            for folder in (*reversed(place.parents), place):
                if not folder.is_dir():
                    folder.mkdir(mode=0o755)
                    made.append(folder)
        for file in map(Path, FILES):
            if not file.exists():
                file.touch(mode=0o644)
                made.append(file)
        yield
    finally:
        for path in reversed(made):
            with suppress(OSError):  # something else is in there by now
                remove_empty(path)


def remove_empty(path: Path) -> None:
    """Removes a folder or a file in which nothing is."""
    if path.is_dir():
        path.rmdir()
    elif path.stat().st_size == 0:
        path.unlink()


def begin(module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Starts a module in namespaces of its own.  All in there is killed when this process dies."""
    return subprocess.Popen(
        [*DIES_WITH_US, "unshare", *NAMESPACES, "/bin/sh", "-c", SHELL, "sh", sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def prepare() -> None:
    """In there: a network, and places that are nobody else's."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
    for place in PLACES:
        # -n: or the first would make the host's /run/mount
        subprocess.run(["mount", "-n", "-t", "tmpfs", "-o", "mode=755", "conformance", place], check=True)
    os.chmod("/dev/shm", 0o1777)
    for path in ("/run/lock", "/run/netns"):
        os.makedirs(path)
