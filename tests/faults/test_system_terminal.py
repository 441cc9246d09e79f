"""The other end of a terminal is gone: that of the console socket, and that of the user."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.console import ConsoleSocket
from tests.support.runtime import ENVIRONMENT, Pyrunc
from tests.support.system_faults import FULL, SLEEP, Trial, end_of
from tests.support.user_terminal import Session

pytestmark = [pytest.mark.root, pytest.mark.timeout(600 if FULL else 60)]


@contextmanager
def console(path: Path, what: str) -> Iterator[None]:
    """A console socket behind which nobody takes the terminal as he should."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if what == "datagrams" else socket.SOCK_STREAM)
    try:
        if what == "no socket":
            path.write_text("")
        elif what != "missing":
            listener.bind(str(path))
        if what in ("never accepts", "queue full"):
            listener.listen(0)
        clients = []
        if what == "queue full":
            for _ in range(4):
                clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                clients[-1].setblocking(False)
                clients[-1].connect_ex(str(path))
        yield
        for client in clients:
            client.close()
    finally:
        listener.close()


NOBODY = ["missing", "no socket", "closed", "queue full", "datagrams"]


@pytest.mark.parametrize("what", NOBODY if FULL else ["closed"])
@pytest.mark.parametrize("verb", ["create", "run", "exec"] if FULL else ["create", "exec"])
def test_nobody_takes_it(verb: str, what: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """The command fails, and names the socket."""
    path = folder / "console"
    trial = Trial(pyrunc, bundle(SLEEP, terminal=verb != "exec"))
    with console(path, what):
        options = ["--console-socket", str(path)]
        if verb == "exec":
            command = trial.prepare("exec")
            command = ["exec", "--tty", "--detach", *options, *command[1:]]
        else:
            detach = ["--detach"] if verb == "run" else []
            command = [verb, *detach, *options, "--bundle", str(trial.made), trial.id]
        result = trial.meet(f"{verb}: {what}", *command)
    assert result.returncode
    assert f"console socket {path}" in result.stderr, result
    trial.clean(what)
    assert not trial.wrong, trial.wrong


def test_taken_and_let_go(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Whoever got the terminal closes it at once: the container's program gets a hang-up, and nothing else happens."""
    made = bundle("trap 'exit 5' HUP; >/ready; while :; do sleep 0.05; done", terminal=True)
    made.config["root"]["readonly"] = False
    trial = Trial(pyrunc, made.save())
    with ConsoleSocket(folder / "console") as socket_of_engine:
        options = ["--console-socket", str(socket_of_engine.path)]
        pyrunc.ok("create", *options, "--bundle", trial.made, trial.id)
        trial.meet("let go", "start", trial.id)
        processes.wait_until((trial.made.rootfs / "ready").exists, "the program")
    pyrunc.wait_status(trial.id, "stopped")
    trial.clean("let go")
    assert not trial.wrong, trial.wrong


@pytest.mark.parametrize("when", ["running", "hook"])
def test_user_hangs_up(when: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The window of a `run` on a terminal is closed, while the program runs or while a hook keeps it from it."""
    made = bundle(("/bin/sh", "-c", "trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done"), terminal=True)
    if when == "hook":
        script = "echo $$ > hook.new; mv hook.new hook; exec sleep 1000"
        made.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    trial = Trial(pyrunc, made.save())
    session = Session(*pyrunc.argv("run", "--bundle", made, trial.id), env=ENVIRONMENT)
    try:
        if when == "running":
            session.expect(b"ready")
        else:
            processes.wait_until((made.path / "hook").exists, "the hook")
        os.close(session.slave)
        os.close(session.master)
        session.slave = session.master = -1
        status = end_of(session.process)
        assert status == (5 if when == "running" else 128 + signal.SIGHUP)
    finally:
        session.close()
    assert pyrunc("state", trial.id).returncode == 1
    trial.clean("hung up")
    assert not trial.wrong, trial.wrong
