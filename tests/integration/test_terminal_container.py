"""A container's terminal, seen by its user: run and exec in the foreground, and the console socket of create."""

import array
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import ENVIRONMENT, Pyrunc
from tests.support.user_terminal import Session

pytestmark = pytest.mark.root


@pytest.fixture
def user(pyrunc: Pyrunc) -> Iterator[Callable[..., Session]]:
    """user(argv...) is somebody who typed `pyrunc argv...` at a terminal."""
    made: list[Session] = []

    def start(*argv: str) -> Session:
        made.append(Session(*pyrunc.argv(*argv), env=ENVIRONMENT))
        return made[-1]

    yield start
    for session in made:
        session.close()


def test_run(bundle: BundleFactory, pyrunc: Pyrunc, user: Callable[..., Session]) -> None:
    script = "tty; stty size; ls -l /dev/console | cut -c1; read word; echo got-$word; exit 7"
    session = user("run", "--bundle", str(bundle(script, terminal=True)), pyrunc.new_id())
    session.expect(b"/dev/pts/0\r\n33 101\r\nc\r\n")
    session.type(b"word\r")
    assert session.wait() == 7
    assert session.output.endswith(b"word\r\ngot-word\r\n")
    assert session.is_restored
    assert pyrunc.containers() == []


def test_interrupt_key_and_window_size(bundle: BundleFactory, pyrunc: Pyrunc, user: Callable[..., Session]) -> None:
    script = "trap 'echo trapped; exit 3' INT; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"
    session = user("run", "--bundle", str(bundle(script, terminal=True)), pyrunc.new_id())
    session.expect(b"ready")
    session.resize(50, 132)
    session.expect(b"50 132")
    session.type(b"\x03")
    assert session.wait() == 3
    assert session.is_restored


def test_signals_reach_the_container(bundle: BundleFactory, pyrunc: Pyrunc, user: Callable[..., Session]) -> None:
    script = "trap 'echo trapped; exit 4' TERM; echo ready; while :; do sleep 0.1; done"
    session = user("run", "--bundle", str(bundle(script, terminal=True)), pyrunc.new_id())
    session.expect(b"ready")
    session.process.send_signal(signal.SIGTERM)
    assert session.wait() == 4
    assert session.is_restored
    assert pyrunc.containers() == []


def test_exec(bundle: BundleFactory, pyrunc: Pyrunc, user: Callable[..., Session]) -> None:
    container_id, _ = pyrunc.create(bundle(("/bin/sleep", "60")))
    pyrunc.ok("start", container_id)
    script = "test -t 0 && stty size; read word; echo got-$word; exit 5"
    session = user("exec", "-t", container_id, "/bin/sh", "-c", script)
    session.expect(b"33 101")
    session.type(b"word\r")
    assert session.wait() == 5
    assert b"got-word\r\n" in session.output
    assert session.is_restored


def test_a_failing_run_leaves_the_terminal_as_it_was(
    bundle: BundleFactory, pyrunc: Pyrunc, user: Callable[..., Session]
) -> None:
    session = user("run", "--bundle", str(bundle(("/bin/nowhere",), terminal=True)), pyrunc.new_id())
    assert session.wait() == 1
    assert b"no such file or directory" in session.output
    assert session.is_restored
    assert pyrunc.containers() == []


def test_run_without_a_terminal_of_its_own(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle("test -t 0 && read word && echo got-$word", terminal=True)
    result = pyrunc.run(made, input="word\n", start_new_session=True)
    assert result.returncode == 0
    assert result.stdout == "word\ngot-word\n"


def receive(listener: socket.socket, into: list[int]) -> None:
    connection = listener.accept()[0]
    with connection:
        _data, ancillary, _flags, _address = connection.recvmsg(4096, socket.CMSG_LEN(4))
        fds = array.array("i")
        fds.frombytes(ancillary[0][2][:4])
        into += fds


@pytest.mark.parametrize("command", ["create", "run"])
def test_console_socket(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, command: str) -> None:
    made = bundle("tty; read word; echo got-$word", terminal=True)
    masters: list[int] = []
    path = folder / "console.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=receive, args=(listener, masters))
        thread.start()
        container_id = pyrunc.new_id()
        detach = ["--detach"] if command == "run" else []
        pyrunc.ok(command, *detach, "--bundle", made, "--console-socket", path, container_id)
        thread.join(10)
    if command == "create":
        pyrunc.ok("start", container_id)
    output = b""
    os.write(masters[0], b"word\n")
    while b"got-word" not in output:
        output += os.read(masters[0], 1000)
    assert output.startswith((b"/dev/pts/0\r\n", b"word\r\n/dev/pts/0\r\n"))
    os.close(masters[0])


@pytest.mark.parametrize(
    ("terminal", "argv", "words"),
    [
        (True, ["create"], "cannot allocate tty if runc will detach without setting console socket"),
        (True, ["run", "--detach"], "cannot allocate tty if runc will detach without setting console socket"),
        (True, ["run", "--console-socket", "s"], "cannot use console socket if runc will not detach or allocate tty"),
        (
            False,
            ["create", "--console-socket", "s"],
            "cannot use console socket if runc will not detach or allocate tty",
        ),
    ],
)
def test_what_does_not_go_together(
    bundle: BundleFactory, pyrunc: Pyrunc, terminal: bool, argv: list[str], words: str
) -> None:
    result = pyrunc(*argv, "--bundle", bundle(terminal=terminal), pyrunc.new_id())
    assert result.returncode == 1
    assert words in result.stderr.split("\n")[0]
    assert pyrunc.containers() == []
