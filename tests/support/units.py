"""The command with --systemd-cgroup, and what systemd says of the units that it makes."""

import os
import subprocess
from pathlib import Path

from tests.support.runtime import ENVIRONMENT, Pyrunc


class WithSystemd(Pyrunc):
    """The command with systemd's cgroup driver.

    before: a command line that runs it;  runtime_dir: $XDG_RUNTIME_DIR of a user whose own systemd it is, or ""
    """

    before: "tuple[str, ...]" = ()
    runtime_dir = ""

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        command, *rest = super().argv(*args)
        return [*self.before, command, "--systemd-cgroup", *rest]

    def systemctl(self, *args: str) -> str:
        """What `systemctl ARGS` prints, whatever its status."""
        command = ["systemctl", "--no-pager", *args]
        environment = ENVIRONMENT
        if self.runtime_dir:
            command[1:1] = ["--user"]
            command[:0] = self.before
            environment = {**ENVIRONMENT, "XDG_RUNTIME_DIR": self.runtime_dir}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment).stdout

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as `systemctl show` prints them."""
        lines = self.systemctl("show", f"--property={','.join(names)}", "--", unit).splitlines()
        found: dict[str, str] = {}
        for name, _, value in (line.partition("=") for line in lines):
            found[name] = f"{found[name]}, {value}" if name in found else value  # DeviceAllow has a line each
        return found

    def units(self, name: str) -> list[str]:
        """The units with `name` in theirs that systemd still knows, failed ones, too."""
        lines = self.systemctl("list-units", "--all", "--plain", "--no-legend", "--full", f"*{name}*").splitlines()
        return [line.split()[0] for line in lines]


def scope(container_id: str) -> str:
    """The unit of a container without a cgroupsPath."""
    return f"pyrunc-{container_id}.scope"


def cgroup_of(pid: int) -> str:
    """The cgroup2 path of a process."""
    return Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")


def read(cgroup: str, file: str) -> str:
    """A file of a cgroup2 directory, named by its path in the hierarchy."""
    return Path(f"/sys/fs/cgroup{cgroup}", file).read_text().strip()
