"""A process that does nothing but hold namespaces for containers to join."""

import os
import signal
import subprocess
from collections.abc import Iterable

from tests.support import processes

FLAGS = {
    "network": ("--net", "net"),
    "ipc": ("--ipc", "ipc"),
    "uts": ("--uts", "uts"),
    "pid": ("--pid", "pid"),
    "mount": ("--mount", "mnt"),
    "cgroup": ("--cgroup", "cgroup"),
    "user": ("--user", "user"),
    "time": ("--time", "time"),
}
"""Of each namespace as the runtime spec names it: the option of unshare(1) and the name below /proc/PID/ns."""


class NamespaceHolder:
    """A sleeping process in new namespaces of the kinds asked for, ended by `close`."""

    def __init__(self, kinds: Iterable[str] = ("network", "ipc", "uts", "pid")) -> None:
        options = [FLAGS[kind][0] for kind in kinds]
        if "user" in kinds:
            options.append("--map-root-user")
        command = ["unshare", *options, "--fork", "--kill-child", "sh", "-c", "echo ready; exec sleep 1000"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self.process.stdout is not None
        with self.process.stdout as output:
            if output.readline() != b"ready\n":
                raise AssertionError(f"unshare {options} failed")
        self.pid = processes.children(self.process.pid)[0]

    def path(self, kind: str) -> str:
        """The path of one namespace, by its name in the runtime spec ("network")."""
        return f"/proc/{self.pid}/ns/{FLAGS[kind][1]}"

    def inode(self, kind: str) -> int:
        """The number that identifies the namespace, as in the link /proc/PID/ns/..."""
        return os.stat(self.path(kind)).st_ino

    def close(self) -> None:
        """Ends the process; its namespaces go with the last container in them."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        processes.wait_gone(self.pid)
