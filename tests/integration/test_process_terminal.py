"""A terminal by console socket: what the container's process, and an exec's, find at their standard descriptors."""

import fcntl
import json
import socket
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.console import ConsoleSocket
from tests.support.inside import probe
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root


@pytest.fixture
def console(folder: Path) -> Iterator[ConsoleSocket]:
    made = ConsoleSocket(folder / "console.sock")
    yield made
    made.close()


def test_create(bundle: BundleFactory, pyrunc: Pyrunc, console: ConsoleSocket) -> None:
    made = probe(
        bundle,
        "stat:/dev/console",
        "stat:/dev/pts/0",
        terminal=True,
        consoleSize={"height": 44, "width": 111},
        user={"uid": 1000, "gid": 5},
    )
    container_id, _ = pyrunc.create(made, "--console-socket", str(console.path))
    console.wait()
    assert console.name.rstrip(b"\0") == b"/dev/pts/0"
    assert struct.unpack("HHHH", fcntl.ioctl(console.master, termios.TIOCGWINSZ, b"\0" * 8))[:2] == (44, 111)
    pyrunc.ok("start", container_id)
    seen = console.read_json()
    tty, files = seen["tty"], seen["stat"]
    assert isinstance(tty, dict)
    assert isinstance(files, dict)
    assert (tty["rows"], tty["columns"], tty["controlling"], tty["foreground"]) == (44, 111, 1, seen["pgid"])
    assert seen["fds"] == {"0": "/dev/pts/0", "1": "/dev/pts/0", "2": "/dev/pts/0"}
    for device in ("/dev/console", "/dev/pts/0"):
        assert (files[device]["major"], files[device]["uid"], files[device]["mode"]) == (136, 1000, 0o620), device


def test_exec(bundle: BundleFactory, pyrunc: Pyrunc, console: ConsoleSocket, folder: Path) -> None:
    container_id, _ = pyrunc.create(bundle(("/bin/sleep", "1000")))
    pyrunc.ok("start", container_id)
    process = {
        "terminal": True,
        "consoleSize": {"height": 12, "width": 34},
        "args": ["/bin/probe"],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
        "env": ["PATH=/bin"],
    }
    (folder / "process.json").write_text(json.dumps(process))
    options = ("--detach", "--process", folder / "process.json", "--console-socket", console.path)
    pyrunc.ok("exec", *options, container_id)
    seen = console.read_json()
    tty = seen["tty"]
    assert isinstance(tty, dict)
    assert (tty["rows"], tty["columns"], tty["controlling"], tty["foreground"]) == (12, 34, 1, seen["pgid"])
    assert tty["stdin"] == tty["stdout"] == tty["stderr"] == "/dev/pts/0"
    assert seen["pid"] == seen["sid"]


def test_nobody_at_the_socket(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unheard:
        unheard.bind(str(folder / "unheard.sock"))
        made = probe(bundle, terminal=True)
        for path, words in (("unheard.sock", "connection refused"), ("nowhere.sock", "no such file or directory")):
            result = pyrunc("create", "--bundle", made, "--console-socket", folder / path, pyrunc.new_id())
            assert result.returncode == 1
            assert words in result.stderr
            assert pyrunc.containers() == []
