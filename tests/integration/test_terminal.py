"""The relay, with real terminals on both sides: a child on an inner pty stands for the container's process."""

import array
import errno
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc import terminal
from pyrunc.errors import PyruncError

REPOSITORY = str(Path(__file__).resolve().parents[2])

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

# The same without a terminal.
WAIT = """
import os, sys
sys.path.insert(0, {repository!r})
from pyrunc import foreground
if sys.argv[1] == "--subreaper":
    foreground.become_subreaper()
held = foreground.hold_signals()
pid = os.fork()
if pid == 0:
    foreground.release_signals(held)
    os.setsid()
    os.execvp(sys.argv[2], sys.argv[2:])
status = foreground.wait(pid, os.pidfd_open(pid), reap_orphans=sys.argv[1] == "--subreaper")
foreground.release_signals(held)
os._exit(status)
"""

LOGIN_TTY = """
import fcntl, os, termios
def login_tty(fd):
    os.setsid()
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    for target in (0, 1, 2):
        os.dup2(fd, target)
os.login_tty = getattr(os, "login_tty", login_tty)
"""


def program(text: str) -> str:
    return LOGIN_TTY + text.format(repository=REPOSITORY)


class Session:
    """The relay on an outer pty, as a user at a terminal has it."""

    def __init__(self, *argv: str, stdin: int | None = None, stdout: int | None = None) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program(RELAY), *argv],
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),
        )
        self.output = b""

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def expect(self, text: bytes, seconds: float = 10) -> None:
        """Reads until text has appeared in the output."""
        end = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < end, f"waited for {text!r}, got {self.output!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.output += os.read(self.master, 65536)

    def wait(self) -> int:
        """The relay's status, all output read."""
        end = time.monotonic() + 10
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running, output {self.output!r}"
            self._read(0.05)
        while self._read(0):
            continue
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.output += os.read(self.master, 65536)
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def session() -> Iterator[type[Session]]:
    made: list[Session] = []

    class Recorded(Session):
        def __init__(self, *argv: str, **options: int) -> None:
            super().__init__(*argv, **options)
            made.append(self)

    yield Recorded
    for one in made:
        one.close()


def test_output_status_and_mode(session: type[Session]) -> None:
    user = session("sh", "-c", "tty >/dev/null && echo on a terminal; exit 42")
    assert user.wait() == 42
    assert user.output == b"on a terminal\r\n"
    assert termios.tcgetattr(user.slave) == user.before


def test_input_is_raw_and_echoed_once(session: type[Session]) -> None:
    user = session("sh", "-c", "echo ready; read line; echo got-$line")
    user.expect(b"ready")
    user.type(b"word\r")
    assert user.wait() == 0
    assert user.output == b"ready\r\nword\r\ngot-word\r\n"


def test_interrupt_key_reaches_the_inner_terminal(session: type[Session]) -> None:
    user = session("sh", "-c", "trap 'echo trapped; exit 7' INT; echo ready; while :; do sleep 0.05; done")
    user.expect(b"ready")
    user.type(b"\x03")
    assert user.wait() == 7
    assert b"trapped" in user.output
    assert termios.tcgetattr(user.slave) == user.before


def test_window_size_at_start_and_later(session: type[Session]) -> None:
    user = session("sh", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done")
    user.expect(b"33 101")
    fcntl.ioctl(user.master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    user.expect(b"50 132")
    user.process.terminate()
    assert user.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN + 3])
def test_signals_are_forwarded_and_the_mode_restored(session: type[Session], number: int) -> None:
    user = session("sh", "-c", "echo ready; exec sleep 60")
    user.expect(b"ready")
    user.process.send_signal(number)
    assert user.wait() == 128 + number
    assert termios.tcgetattr(user.slave) == user.before


def test_the_last_output_is_not_lost(session: type[Session]) -> None:
    user = session("sh", "-c", "seq 1 20000")
    assert user.wait() == 0
    assert user.output.replace(b"\r\n", b"\n") == b"".join(b"%d\n" % n for n in range(1, 20001))


def test_a_terminal_closed_and_reopened_inside_stays(session: type[Session]) -> None:
    script = "t=$(tty); exec </dev/null >/dev/null 2>&1; sleep 0.3; echo again >$t; sleep 0.1; exit 3"
    user = session("sh", "-c", script)
    assert user.wait() == 3
    assert user.output == b"again\r\n"


def test_what_the_process_leaves_running_does_not_hold_the_relay(session: type[Session]) -> None:
    user = session("sh", "-c", "trap '' HUP; (while :; do echo noise; done) & echo $!; exit 5")
    user.expect(b"\r\n")
    left = int(user.output.split()[0])
    try:
        assert user.wait() == 5
    finally:
        os.kill(left, signal.SIGKILL)


def test_input_from_a_pipe_and_its_end(session: type[Session]) -> None:
    read, write = os.pipe()
    user = session("cat", stdin=read)
    os.close(read)
    os.write(write, b"one\ntwo")
    os.close(write)
    assert user.wait() == 0
    assert user.output.replace(b"\r\r\n", b"\r\n").split(b"\r\n")[0] == b"one"
    assert user.output.count(b"two") == 2  # typed (echo), and by cat
    assert termios.tcgetattr(user.slave) == user.before


def test_large_input_from_a_file(session: type[Session], tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"".join(b"line %d\n" % n for n in range(20000)))
    with open(tmp_path / "input", "rb") as file:
        user = session("sh", "-c", "stty -echo; echo ready; cat | cksum", stdin=file.fileno())
        assert user.wait() == 0
    wanted = subprocess.run(["cksum"], input=(tmp_path / "input").read_bytes(), capture_output=True, check=True).stdout
    assert user.output.split(b"ready")[1].split() == wanted.split()


def test_output_to_a_pipe_has_plain_lines(session: type[Session]) -> None:
    read, write = os.pipe()
    user = session("sh", "-c", "echo one; echo two", stdout=write)
    os.close(write)
    assert user.wait() == 0
    assert os.read(read, 100) == b"one\ntwo\n"
    os.close(read)
    assert termios.tcgetattr(user.slave) == user.before


def test_nobody_reads_the_output_any_more(session: type[Session]) -> None:
    read, write = os.pipe()
    user = session("sh", "-c", "while :; do echo more; done", stdout=write)
    os.close(write)
    assert os.read(read, 4)
    os.close(read)
    # The terminal is hung up: the process gets SIGHUP, as when a user closes the window.
    assert user.wait() == 128 + signal.SIGHUP
    assert termios.tcgetattr(user.slave) == user.before


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


def test_the_users_terminal_goes_away(session: type[Session]) -> None:
    user = session("sh", "-c", "trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done")
    user.expect(b"ready")
    os.close(user.slave)
    os.close(user.master)
    user.slave = user.master = -1
    assert user.process.wait(10) == 9


def test_in_the_background_the_terminal_is_left_alone(session: type[Session]) -> None:
    script = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTTOU, signal.SIG_IGN);"
        "job = subprocess.Popen(sys.argv[1:], process_group=0, stderr=1);"
        "time.sleep(0.7); mode = subprocess.run(['stty', '-a'], capture_output=True, text=True).stdout;"
        "print('COOKED' if ' icanon' in mode and ' echo ' in mode else mode, flush=True);"
        "os.tcsetpgrp(0, job.pid); job.send_signal(signal.SIGCONT); status = job.wait();"
        "os.tcsetpgrp(0, os.getpgrp()); sys.exit(status)"
    )
    relay = [sys.executable, "-c", program(RELAY), "sh", "-c", "read word; echo got-$word"]
    user = session.__mro__[1].__new__(session)
    user.master, user.slave = pty.openpty()
    user.before = termios.tcgetattr(user.slave)
    user.output = b""
    user.process = subprocess.Popen(
        [sys.executable, "-c", script, *relay],
        stdin=user.slave,
        stdout=user.slave,
        stderr=user.slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0),
    )
    try:
        user.expect(b"COOKED")
        time.sleep(0.3)
        user.type(b"word\r")
        assert user.wait() == 0
        assert b"got-word" in user.output
        assert termios.tcgetattr(user.slave) == user.before
    finally:
        user.close()


class TestWait:
    """foreground.wait(), without a terminal."""

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", program(WAIT), *argv], stdout=subprocess.PIPE)

    def test_status(self) -> None:
        with self.start("-", "sh", "-c", "exit 42") as process:
            assert process.wait(10) == 42

    def test_ended_by_a_signal(self) -> None:
        with self.start("-", "sh", "-c", "kill -KILL $$") as process:
            assert process.wait(10) == 128 + signal.SIGKILL

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTSTP])
    def test_signals_are_forwarded(self, number: int) -> None:
        script = f"trap 'echo got; exit 3' {signal.Signals(number).name[3:]}; echo ready; while :; do sleep 0.05; done"
        with self.start("-", "sh", "-c", script) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(number)
            assert process.stdout.readline() == b"got\n"
            assert process.wait(10) == 3

    def test_window_changes_are_not_forwarded(self) -> None:
        with self.start("-", "sh", "-c", "trap 'echo got' WINCH; echo ready; sleep 0.3; exit 0") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGWINCH)
            assert process.stdout.read() == b""
            assert process.wait(10) == 0

    def test_a_subreaper_collects_orphans(self) -> None:
        script = "(sh -c 'exit 1' & sh -c 'sleep 0.1; exit 2' &) ; sleep 0.4; ps -o stat= --ppid $PPID | grep -c Z"
        with self.start("--subreaper", "sh", "-c", script) as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"0\n"
            process.wait(10)

    def test_a_lost_status_is_an_error(self) -> None:
        script = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + program(WAIT)
        done = subprocess.run(
            [sys.executable, "-c", script, "-", "sh", "-c", "exit 42"], capture_output=True, text=True, timeout=20
        )
        assert "is lost" in done.stderr


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
