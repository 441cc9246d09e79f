"""S17 (CVE-2025-52565): links where the terminal is opened and bound."""

import array
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

FOLLOWS: tuple[Change, ...] = (
    (
        "csrc/init_terminal.c",
        '    int target = open_under(AT_FDCWD, "/dev/console", O_PATH, RESOLVE_NO_SYMLINKS);\n',
        '    int target = open_under(AT_FDCWD, "/dev/console", O_PATH, 0);\n',
    ),
    (
        "csrc/init_terminal.c",
        '    int fd = open_under(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);\n',
        '    int fd = open_under(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY, 0);\n',
    ),
    ("csrc/init_terminal.c", 'fail(ENODEV, "open /dev/pts/ptmx", "it is not the pty multiplexer");', ";"),
)
OWN_PTS = {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}


def hostile(bundle: BundleFactory, links: dict[str, str], pts: bool) -> Bundle:
    """A container with a terminal that uses its image's own /dev, with these links; it shows what is mounted."""
    made = bundle("cat /proc/self/mountinfo > /log", terminal=True)
    made.config["mounts"] = [mount for mount in made.config["mounts"] if not mount["destination"].startswith("/dev")]
    if pts:
        made.config["mounts"].append(OWN_PTS)
    made.config["root"]["readonly"] = False
    (made.rootfs / "victim").write_text("victim\n")
    for name, target in links.items():
        (made.rootfs / name).parent.mkdir(parents=True, exist_ok=True)
        (made.rootfs / name).symlink_to(target)
    return made.save()


def run(pyrunc: Pyrunc, made: Bundle, folder: Path) -> tuple[int, str, str]:
    """Creates and starts it: status, message, its mounts."""
    path = folder / "c.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(5)
        thread = threading.Thread(target=take, args=(listener,))
        thread.start()
        container_id = pyrunc.new_id()
        result = pyrunc("create", "--bundle", made, "--console-socket", path, container_id)
        if result.returncode == 0:
            pyrunc.ok("start", container_id)
            pyrunc.wait_status(container_id, "stopped")
        else:
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(path))
        thread.join()
    path.unlink()
    log = made.rootfs / "log"
    return result.returncode, result.stderr, log.read_text() if log.exists() else ""


def take(listener: socket.socket) -> None:
    """Takes one terminal and keeps it until the container has ended."""
    connection, _ = listener.accept()
    with connection:
        ancillary = connection.recvmsg(4096, socket.CMSG_SPACE(4))[1]
    for _, _, data in ancillary:
        for fd in array.array("i", data):
            os.set_blocking(fd, True)
            try:
                while os.read(fd, 4096):
                    continue
            except OSError:
                os.close(fd)  # EIO: nobody has the other end any more


def points(mountinfo: str) -> list[str]:
    return [line.split()[4] for line in mountinfo.splitlines()]


@pytest.mark.parametrize("target", ["/victim", "/proc/sysrq-trigger", "/missing", "pts/ptmx"])
def test_console_is_a_link(target: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    status, message, mounts = run(pyrunc, hostile(bundle, {"dev/console": target}, pts=True), folder)
    assert (status, mounts) == (1, "")
    assert "/dev/console" in message


def test_console_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path) -> None:
    made = hostile(bundle, {"dev/console": "/victim"}, pts=True)
    status, _, mounts = run(weak(FOLLOWS[0]), made, folder)
    assert status == 0
    assert "/victim" in points(mounts)


@pytest.mark.parametrize("name", ["dev/pts/ptmx", "dev/pts/0"])
def test_multiplexer_is_a_link(name: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Without a devpts of its own the image decides what is there: nothing of it is taken."""
    made = hostile(bundle, {name: "/dev/full"}, pts=False)
    status, message, mounts = run(pyrunc, made, folder)
    assert (status, mounts) == (1, "")
    assert "/dev/pts/ptmx" in message


def test_multiplexer_is_another_device(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    made = hostile(bundle, {}, pts=False)
    (made.rootfs / "dev/pts").mkdir()
    os.mknod(made.rootfs / "dev/pts/ptmx", 0o20666, os.makedev(1, 3))
    status, message, mounts = run(pyrunc, made, folder)
    assert (status, mounts) == (1, "")
    assert "it is not the pty multiplexer" in message
