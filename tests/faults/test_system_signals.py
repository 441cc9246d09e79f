"""Signals to end, at any moment of a command's life; and nobody who reads what it says."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.system_faults import FULL, SLEEP, Trial, bundle_of, end_of, traces

pytestmark = [pytest.mark.root, pytest.mark.timeout(3000 if FULL else 60)]

SEED = 4711
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.mark.parametrize("kind", ["plain", "rich"] if FULL else ["rich"])
@pytest.mark.parametrize("verb", ["create", "run", "exec", "start", "delete"] if FULL else ["create", "run", "exec"])
def test_at_any_moment(verb: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Spread over the whole command.  A create, run or exec that was interrupted leaves nothing for others to do."""
    dice = random.Random(SEED)
    trial = Trial(pyrunc, bundle_of(kind, verb, bundle))
    begin = time.monotonic()
    pyrunc.ok(*trial.prepare(verb))
    length = time.monotonic() - begin
    trial.clean("none")
    for turn in range(60 if FULL else 5):
        number = SIGNALS[turn % 3]
        command = trial.prepare(verb)
        before = set(traces(trial.id)) if verb == "exec" else set()
        with open(folder / "err", "wb") as err:
            process = pyrunc.popen(*command, stdout=subprocess.DEVNULL, stderr=err)
        moment = dice.uniform(0, 1.1) * length
        time.sleep(moment)
        process.send_signal(number)
        status = end_of(process)
        said = (folder / "err").read_text()
        fault = f"{verb}, signal {number:d} after {moment:.3f} s of {length:.3f}: status {status}, {said!r}"
        if said.startswith("Fatal Python error: init_") or (
            f'{pyrunc.command}", line 0' in said and number == signal.SIGINT
        ):
            said = ""  # by SIGINT, before anything of pyrunc
        if "Traceback" in said or "internal error" in said:
            trial.wrong.append(fault)
        # -number: Python had not begun, or pyrunc was at its end.
        trial.count += status not in (0, 1, -number)
        if status not in (0, 128 + number, -number, 1, 255):
            trial.wrong.append(fault)
        if status == 128 + number and verb in ("create", "run") and said:
            left = traces(trial.id, trial.bystanders)
            state = pyrunc("state", trial.id)
            if left or (state.returncode == 0 and (verb == "create" or state.json()["status"] != "stopped")):
                trial.wrong.append(f"{fault}: left {left}")
        if verb == "exec":
            left = [trace for trace in traces(trial.id, trial.bystanders) if trace not in before]
            if left:
                trial.wrong.append(f"{fault}: left {left}")
        trial.clean(fault)
    trial.end()


@pytest.mark.parametrize(
    "verb", ["create", "run", "exec", "state", "list", "delete", "kill"] if FULL else ["run", "state"]
)
@pytest.mark.parametrize("what", ["closed", "broken"])
def test_nobody_listens(verb: str, what: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """stdout and stderr that are closed, or pipes that nobody reads: the command does its work, or its status tells."""
    trial = Trial(pyrunc, bundle(SLEEP if verb != "run" else ("/bin/echo", "to nobody")))
    command = trial.prepare(verb) if verb != "list" else ["list"]
    if what == "closed":
        process = subprocess.Popen(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *pyrunc.argv(*command)])
    else:
        reading, writing = os.pipe()
        os.close(reading)
        process = pyrunc.popen(*command, stdout=writing, stderr=writing)
        os.close(writing)
    status = end_of(process)
    if what == "broken" and verb in ("state", "list"):
        assert status == 1
    elif verb != "run":
        assert status == 0
    if verb == "create":
        assert pyrunc.state(trial.id)["status"] == "created"
    trial.clean(what)
    trial.end()


def test_nothing_stands_in_for_closed_descriptors(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A container's 0, 1 and 2 that its caller has closed are no file of the runtime."""
    trial = Trial(pyrunc, bundle(SLEEP))
    create = pyrunc.argv("create", "--bundle", str(trial.made), trial.id)
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *create], check=True)
    pid = pyrunc.state(trial.id)["pid"]
    assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    trial.clean("closed")
    trial.end()


@pytest.mark.parametrize("verb", ["create", "run"])
def test_while_a_failure_is_undone(verb: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """A signal ends the poststop hook that it meets, and the rest is undone nevertheless."""
    made = bundle(SLEEP)
    script = f"touch {folder}/undoing; exec sleep 1000"
    made.config["hooks"] = {
        "createRuntime": [{"path": "/bin/false"}],
        "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", script]}],
    }
    trial = Trial(pyrunc, made.save())
    with open(folder / "err", "wb") as err:
        process = pyrunc.popen(*trial.prepare(verb), stdout=subprocess.DEVNULL, stderr=err)
    processes.wait_until((folder / "undoing").exists, "the poststop hook")
    process.send_signal(signal.SIGTERM)
    assert end_of(process) == 128 + signal.SIGTERM, (folder / "err").read_text()
    assert traces(trial.id, trial.bystanders) == []
    assert pyrunc.containers() == []
