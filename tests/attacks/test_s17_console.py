"""S17 (CVE-2025-52565): links where the terminal is opened and bound."""

import array
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.swapper import swapping
from tests.support.weakened import Change

pytestmark = pytest.mark.root

FOLLOWS: Change = (
    "csrc/init_terminal.c",
    '    int target = open_under(AT_FDCWD, "/dev/console", O_PATH, RESOLVE_NO_SYMLINKS);\n',
    '    int target = open_under(AT_FDCWD, "/dev/console", O_PATH, 0);\n',
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


TERMINALS = (os.makedev(5, 2),)
"""What the other end of a pseudo-terminal is."""


@contextmanager
def listening(path: Path, devices: list[int]) -> Iterator[Path]:
    """The socket of a caller that takes one terminal, notes its device number and keeps it until its user has ended."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(5)
        thread = threading.Thread(target=take, args=(listener, devices))
        thread.start()
        try:
            yield path
        finally:
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(path))  # in case that nobody has
            thread.join()
    path.unlink()


def run(attacked: Attacked, made: Bundle, folder: Path) -> tuple[int, str, str]:
    """Creates and starts it: status, message, its mounts."""
    with listening(folder / "c.sock", []) as path:
        container_id = attacked.new_id()
        result = attacked("create", "--bundle", made, "--console-socket", path, container_id)
        if result.returncode == 0:
            attacked("start", container_id)
            attacked.wait_status(container_id, "stopped")
    log = made.rootfs / "log"
    return result.returncode, result.stderr, log.read_text() if log.exists() else ""


def take(listener: socket.socket, devices: list[int]) -> None:
    connection, _ = listener.accept()
    with connection:
        ancillary = connection.recvmsg(4096, socket.CMSG_SPACE(4))[1]
    for _, _, data in ancillary:
        for fd in array.array("i", data):
            devices.append(os.fstat(fd).st_rdev)
            os.set_blocking(fd, True)
            try:
                while devices[-1] in TERMINALS and os.read(fd, 4096):
                    continue
            except OSError:
                pass  # EIO: nobody has the other end any more
            finally:
                os.close(fd)


def points(mountinfo: str) -> list[str]:
    return [line.split()[4] for line in mountinfo.splitlines()]


@attack("S17", weak={"follows": (FOLLOWS,)}, when=lambda given: given["target"] == "/victim")
@pytest.mark.parametrize("target", ["/victim", "/proc/sys/kernel/domainname", "/missing", "pts/ptmx"])
def test_console_is_a_link(target: str, bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    """The terminal is not bound to where the image wants it."""
    status, message, mounts = run(attacked, hostile(bundle, {"dev/console": target}, pts=True), folder)
    place = {"pts/ptmx": "/dev/pts/ptmx"}.get(target, target)
    broken_if(place in points(mounts), f"the terminal is mounted on {place}")
    if attacked.own:
        assert (status, mounts) == (1, "")
        assert "/dev/console" in message


def is_of_the_image(mounts: str) -> bool:
    """Whether there is a console that is no terminal of a devpts (lines of mountinfo)."""
    return any(line.split()[4] == "/dev/console" and " - devpts " not in line for line in mounts.splitlines())


@attack("S17")
@pytest.mark.parametrize("name", ["dev/pts/ptmx", "dev/pts/0", "dev/ptmx"])
def test_multiplexer_is_a_link(name: str, bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    """Without a devpts of its own the image decides what is there: nothing of it is taken."""
    made = hostile(bundle, {name: "/devices/ptmx"}, pts=False)
    (made.rootfs / "devices").mkdir()
    os.mknod(made.rootfs / "devices/ptmx", 0o20666, os.makedev(5, 2))
    (made.rootfs / "dev/console").touch()
    status, message, mounts = run(attacked, made, folder)
    broken_if(is_of_the_image(mounts), "something of the image is the console")
    if attacked.own:
        assert (status, mounts) == (1, "")
        assert "/dev/pts/ptmx" in message


@attack("S17")
def test_multiplexer_is_another_device(bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    made = hostile(bundle, {}, pts=False)
    (made.rootfs / "dev/pts").mkdir()
    os.mknod(made.rootfs / "dev/pts/ptmx", 0o20666, os.makedev(1, 3))
    status, message, mounts = run(attacked, made, folder)
    broken_if(is_of_the_image(mounts), "something of the image is the console")
    if attacked.own:
        assert (status, mounts) == (1, "")
        assert "it is not the pty multiplexer" in message


def fifo(path: Path) -> None:
    os.mkfifo(path)


def file(path: Path) -> None:
    path.write_text("evil\n")


def null(path: Path) -> None:
    os.mknod(path, 0o20666, os.makedev(1, 3))


def link(path: Path) -> None:
    path.symlink_to("/dev/full")


KINDS: dict[str, Callable[[Path], None]] = {make.__name__: make for make in (fifo, file, null, link)}


@attack("S17")
@pytest.mark.parametrize("kind", list(KINDS))
def test_terminal_of_an_exec(kind: str, bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    """What the container has put at the multiplexer's names is not given to the caller for a terminal."""
    made = hostile(bundle, {}, pts=False)
    made.config["process"].update(terminal=False, args=["/bin/sleep", "100"])
    container_id, _ = attacked.create(made.save())
    (made.rootfs / "dev/pts").mkdir(exist_ok=True)
    (made.rootfs / "dev/ptmx").unlink(missing_ok=True)
    for name in ("dev/ptmx", "dev/pts/ptmx", "dev/pts/0"):
        KINDS[kind](made.rootfs / name)
    devices: list[int] = []
    with listening(folder / "c.sock", devices) as path:
        command = ("exec", "--tty", "--detach", "--console-socket", path, container_id, "/bin/true")
        result = attacked.in_time(lambda: attacked(*command, timeout=20), "a terminal for an exec")
    broken_if([device for device in devices if device not in TERMINALS], "given to the caller for a terminal")
    if attacked.own:
        assert result.returncode == 255
        assert "/dev/pts/ptmx" in result.stderr


@attack("S17")
def test_race(bundle: BundleFactory, attacked: Attacked, folder: Path, swapper: Path, race_seconds: float) -> None:
    """/dev/console of the image is exchanged with a link all the time."""
    made = hostile(bundle, {}, pts=True)
    (made.rootfs / "dev/console").touch()
    (made.rootfs / "dev/link").symlink_to("/victim")
    end = time.monotonic() + race_seconds
    with swapping(swapper, made.rootfs / "dev/console", made.rootfs / "dev/link"):
        while time.monotonic() < end:
            _, _, mounts = run(attacked, made, folder)
            broken_if("/victim" in points(mounts), "the terminal is mounted on a file of the image's choice")
