"""The relay, with real terminals on both sides: a child on an inner pty stands for the container's process."""

import array
import errno
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyrunc import terminal
from pyrunc.errors import PyruncError
from tests.support import processes
from tests.support.user_terminal import Session

REPOSITORY = str(Path(__file__).resolve().parents[2])

LOGIN_TTY = """
import fcntl, os, termios
def login_tty(fd):
    os.setsid()
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    for target in (0, 1, 2):
        os.dup2(fd, target)
os.login_tty = getattr(os, "login_tty", login_tty)
"""


# Spawns argv on a new pty as its controlling terminal, relays it, and ends with its status.
RELAY = """
import os, pty, sys
sys.path.insert(0, {repository!r})
from pyrunc import terminal
master, slave = pty.openpty()
pid = os.fork()
if pid == 0:
    os.close(master)
    os.login_tty(slave)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(slave)
status = terminal.relay(master, pid, os.pidfd_open(pid), reap_orphans=True)
try:
    os.fstat(master)
    sys.exit("the master is still open")
except OSError:
    os._exit(status)
"""


def program(text: str) -> str:
    return LOGIN_TTY + text.format(repository=REPOSITORY)


@pytest.fixture
def session() -> Iterator[Callable[..., Session]]:
    """session(argv...) relays argv's terminal to that of a user."""
    made: list[Session] = []

    def start(*argv: str, **options: int) -> Session:
        made.append(Session(sys.executable, "-c", program(RELAY), *argv, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_output_status_and_mode(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "tty >/dev/null && echo on a terminal; exit 42")
    assert user.wait() == 42
    assert user.output == b"on a terminal\r\n"
    assert user.is_restored


def test_input_is_raw_and_echoed_once(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "echo ready; read line; echo got-$line")
    user.expect(b"ready")
    user.type(b"word\r")
    assert user.wait() == 0
    assert user.output == b"ready\r\nword\r\ngot-word\r\n"


def test_interrupt_key_reaches_the_inner_terminal(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "trap 'echo trapped; exit 7' INT; echo ready; while :; do sleep 0.05; done")
    user.expect(b"ready")
    user.type(b"\x03")
    assert user.wait() == 7
    assert b"trapped" in user.output
    assert user.is_restored


def test_window_size_at_start_and_later(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done")
    user.expect(b"33 101")
    user.resize(50, 132)
    user.expect(b"50 132")
    user.process.terminate()
    assert user.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN + 3])
def test_signals_are_forwarded_and_the_mode_restored(session: Callable[..., Session], number: int) -> None:
    user = session("sh", "-c", "echo ready; exec sleep 60")
    user.expect(b"ready")
    user.process.send_signal(number)
    assert user.wait() == 128 + number
    assert user.is_restored


def test_the_last_output_is_not_lost(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "seq 1 20000")
    assert user.wait() == 0
    assert user.output.replace(b"\r\n", b"\n") == b"".join(b"%d\n" % n for n in range(1, 20001))


def test_a_terminal_closed_and_reopened_inside_stays(session: Callable[..., Session]) -> None:
    script = "t=$(tty); exec </dev/null >/dev/null 2>&1; sleep 0.3; echo again >$t; sleep 0.1; exit 3"
    user = session("sh", "-c", script)
    assert user.wait() == 3
    assert user.output == b"again\r\n"


def test_what_the_process_leaves_running_does_not_hold_the_relay(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "trap '' HUP; (while :; do echo noise; done) & echo $!; exit 5")
    user.expect(b"\r\n")
    left = int(user.output.split()[0])
    try:
        assert user.wait() == 5
    finally:
        processes.end([left])


def test_input_from_a_pipe_and_its_end(session: Callable[..., Session]) -> None:
    read, write = os.pipe()
    user = session("cat", stdin=read)
    os.close(read)
    os.write(write, b"one\ntwo")
    os.close(write)
    assert user.wait() == 0
    assert user.output.replace(b"\r\r\n", b"\r\n").split(b"\r\n")[0] == b"one"
    assert user.output.count(b"two") == 2  # typed (echo), and by cat
    assert user.is_restored


def test_large_input_from_a_file(session: Callable[..., Session], tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"".join(b"line %d\n" % n for n in range(20000)))
    with open(tmp_path / "input", "rb") as file:
        user = session("sh", "-c", "stty -echo; echo ready; cat | cksum", stdin=file.fileno())
        assert user.wait() == 0
    wanted = subprocess.run(["cksum"], input=(tmp_path / "input").read_bytes(), capture_output=True, check=True).stdout
    assert user.output.split(b"ready")[1].split() == wanted.split()


def test_output_to_a_pipe_has_plain_lines(session: Callable[..., Session]) -> None:
    read, write = os.pipe()
    user = session("sh", "-c", "echo one; echo two", stdout=write)
    os.close(write)
    assert user.wait() == 0
    assert os.read(read, 100) == b"one\ntwo\n"
    os.close(read)
    assert user.is_restored


def test_nobody_reads_the_output_any_more(session: Callable[..., Session]) -> None:
    read, write = os.pipe()
    user = session("sh", "-c", "while :; do echo more; done", stdout=write)
    os.close(write)
    assert os.read(read, 4)
    os.close(read)
    # The terminal is hung up: the process gets SIGHUP, as when a user closes the window.
    assert user.wait() == 128 + signal.SIGHUP
    assert user.is_restored


def test_without_any_terminal_of_our_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", program(RELAY), "sh", "-c", "test -t 0 && read word && echo $word"],
        input=b"hello\n",
        capture_output=True,
        start_new_session=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"hello\nhello\n"


def test_the_users_terminal_goes_away(session: Callable[..., Session]) -> None:
    user = session("sh", "-c", "trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done")
    user.expect(b"ready")
    os.close(user.slave)
    os.close(user.master)
    user.slave = user.master = -1
    assert user.process.wait(10) == 9


def test_in_the_background_the_terminal_is_left_alone() -> None:
    script = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTTOU, signal.SIG_IGN);"
        "job = subprocess.Popen(sys.argv[1:], process_group=0, stderr=1);"
        "time.sleep(0.7); mode = subprocess.run(['stty', '-a'], capture_output=True, text=True).stdout;"
        "print('COOKED' if ' icanon' in mode and ' echo ' in mode else mode, flush=True);"
        "os.tcsetpgrp(0, job.pid); job.send_signal(signal.SIGCONT); status = job.wait();"
        "os.tcsetpgrp(0, os.getpgrp()); sys.exit(status)"
    )
    relay = [sys.executable, "-c", program(RELAY), "sh", "-c", "read word; echo got-$word"]
    user = Session(sys.executable, "-c", script, *relay)
    try:
        user.expect(b"COOKED")
        time.sleep(0.3)
        user.type(b"word\r")
        assert user.wait() == 0
        assert b"got-word" in user.output
        assert user.is_restored
    finally:
        user.close()


def receive(listener: socket.socket) -> tuple[bytes, int]:
    connection = listener.accept()[0]
    with connection:
        fds = array.array("i")
        data, ancillary, _flags, _address = connection.recvmsg(4096, socket.CMSG_LEN(4))
        fds.frombytes(ancillary[0][2][:4])
        return data, fds[0]


@pytest.mark.parametrize("depth", [0, 6])
def test_send_console(tmp_path: Path, depth: int) -> None:
    directory = tmp_path.joinpath(*["a-directory-with-a-long-name"] * depth)
    directory.mkdir(parents=True, exist_ok=True)
    master, slave = pty.openpty()
    here = os.open(directory, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"/proc/self/fd/{here}/console.sock")
        listener.listen()
        terminal.send_console(str(directory / "console.sock"), master, os.ttyname(slave))
        name, received = receive(listener)
    assert name == os.ttyname(slave).encode()
    os.write(slave, b"through")
    assert os.read(received, 100) == b"through"
    for fd in (master, slave, received, here):
        os.close(fd)


def test_send_console_to_nobody(tmp_path: Path) -> None:
    with pytest.raises(PyruncError) as caught:
        terminal.send_console(str(tmp_path / "absent.sock"), 0, "/dev/pts/0")
    assert caught.value.errno == errno.ENOENT
    assert str(tmp_path / "absent.sock") in str(caught.value)
    assert str(caught.value).endswith("no such file or directory")


@pytest.mark.parametrize(
    ("terminal_wanted", "detach", "socket_path", "message"),
    [
        (True, True, None, "cannot allocate tty if runc will detach without setting console socket"),
        (True, True, "", "cannot allocate tty if runc will detach without setting console socket"),
        (False, True, "s", "cannot use console socket if runc will not detach or allocate tty"),
        (True, False, "s", "cannot use console socket if runc will not detach or allocate tty"),
        (True, True, "s", None),
        (True, False, None, None),
        (False, False, None, None),
        (False, True, None, None),
    ],
)
def test_check_console(terminal_wanted: bool, detach: bool, socket_path: str | None, message: str | None) -> None:
    if message is None:
        terminal.check_console(terminal_wanted, detach, socket_path)
        return
    with pytest.raises(PyruncError) as caught:
        terminal.check_console(terminal_wanted, detach, socket_path)
    assert str(caught.value) == message
