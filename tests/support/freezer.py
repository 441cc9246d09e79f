"""Freezing a container behind the runtime's back, as an administrator or an engine may."""

from pathlib import Path

from tests.support import processes


def freezer_of(pid: int) -> Path:
    """The directory of the process's cgroup that can be frozen: in v1's freezer hierarchy, or cgroup v2."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "freezer":
            return Path(f"/sys/fs/cgroup/freezer{path}")
        if not controllers and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            return Path(f"/sys/fs/cgroup{path}")
    raise FileNotFoundError(f"process {pid} is in no cgroup that can be frozen")


def freeze(pid: int) -> Path:
    """Freezes the process's cgroup; the directory, for `thaw`."""
    folder = freezer_of(pid)
    if (folder / "freezer.state").exists():
        (folder / "freezer.state").write_text("FROZEN")
        processes.wait_until(lambda: is_frozen(folder), "the freezer")
    else:
        (folder / "cgroup.freeze").write_text("1")
        processes.wait_until(lambda: is_frozen(folder), "the freezer")
    return folder


def thaw(folder: Path) -> None:
    """Thaws the cgroup."""
    if (folder / "freezer.state").exists():
        (folder / "freezer.state").write_text("THAWED")
    else:
        (folder / "cgroup.freeze").write_text("0")


def is_frozen(folder: Path) -> bool:
    """Whether all processes of the cgroup stand still."""
    if (folder / "freezer.state").exists():
        return (folder / "freezer.state").read_text().strip() == "FROZEN"
    return "frozen 1" in (folder / "cgroup.events").read_text()
