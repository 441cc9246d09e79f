"""Namespaces for a whole run: no engine sees the host's network, processes or /run, and all ends with the run."""

import os
import subprocess
import sys

MARK = "CONFORMANCE_ENCLOSED"
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
# The shell is process 1 in there: it reaps what engines leave behind.
SHELL = '"$@"; exit $?'


def enter(module: str, arguments: list[str]) -> None:
    """Runs the module again in namespaces of its own, and exits with its status; comes back when in there already."""
    if os.environ.get(MARK):
        prepare()
        return
    inner = ["/bin/sh", "-c", SHELL, "sh", sys.executable, "-m", module, *arguments]
    done = subprocess.run(["unshare", *NAMESPACES, *inner], env={**os.environ, MARK: "1"})
    raise SystemExit(done.returncode)


def prepare() -> None:
    """A network of its own, and a /run and places for locks that are nobody else's."""
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["sysctl", "-qw", "net.ipv4.ip_forward=1"],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"],
    ):
        subprocess.run(command, check=True)
    for path in ("/run/lock", "/run/netns", "/etc/cni/net.d", "/var/lib/cni", "/var/lib/containers"):
        if path.startswith("/run/"):
            os.makedirs(path)
        elif os.path.isdir(path):
            subprocess.run(["mount", "-t", "tmpfs", "conformance", path], check=True)
