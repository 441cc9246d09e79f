"""Waiting in the foreground without a terminal: signals, exit status, orphans."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = str(Path(__file__).resolve().parents[2])

# Spawns argv, waits for it in the foreground, and ends with its status.
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


def start(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WAIT.format(repository=REPOSITORY), *argv], stdout=subprocess.PIPE)


def test_status() -> None:
    with start("-", "sh", "-c", "exit 42") as process:
        assert process.wait(10) == 42


def test_ended_by_a_signal() -> None:
    with start("-", "sh", "-c", "kill -KILL $$") as process:
        assert process.wait(10) == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTSTP])
def test_signals_are_forwarded(number: int) -> None:
    script = f"trap 'echo got; exit 3' {signal.Signals(number).name[3:]}; echo ready; while :; do sleep 0.05; done"
    with start("-", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == b"got\n"
        assert process.wait(10) == 3


def test_window_changes_are_not_forwarded() -> None:
    with start("-", "sh", "-c", "trap 'echo got' WINCH; echo ready; sleep 0.3; exit 0") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGWINCH)
        assert process.stdout.read() == b""
        assert process.wait(10) == 0


def test_a_subreaper_collects_orphans() -> None:
    script = "(sh -c 'exit 1' & sh -c 'sleep 0.1; exit 2' &) ; sleep 0.4; ps -o stat= --ppid $PPID | grep -c Z"
    with start("--subreaper", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"0\n"
        process.wait(10)


def test_a_lost_status_is_an_error() -> None:
    script = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n" + WAIT.format(repository=REPOSITORY)
    done = subprocess.run(
        [sys.executable, "-c", script, "-", "sh", "-c", "exit 42"], capture_output=True, text=True, timeout=20
    )
    assert "is lost" in done.stderr
