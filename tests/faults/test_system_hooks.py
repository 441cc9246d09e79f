"""Hooks that do what hooks do at their worst, of each kind: the command that runs them ends, and nothing stays."""

import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.system_faults import FULL, SLEEP, Trial, end_of

pytestmark = [pytest.mark.root, pytest.mark.timeout(600 if FULL else 60)]

KINDS = {
    "prestart": "create",
    "createRuntime": "create",
    "createContainer": "create",
    "startContainer": "start",
    "poststart": "start",
    "poststop": "delete",
}
"""Which command runs them."""

MEGABYTES = 1024 if FULL else 32

FAILING = {
    "exits": ("exit 3", "exit status 3", "exit status 3"),
    "dies": ("kill -SEGV $$", "signal: segmentation fault", "killed by signal 11"),
    "hangs": ("exec sleep 1000", "hook ran past specified timeout of 1.0s", "timed out after 1 seconds"),
    "ignores": (
        "trap '' TERM INT HUP; while :; do sleep 0.1; done",
        "hook ran past specified timeout of 1.0s",
        "timed out after 1 seconds",
    ),
}
"""What a hook does (a script of sh), and what the error says; of startContainer it is pyrunc-init's."""

HARMLESS = {
    "forks": "sleep 1000 & exit 0",  # with all its descriptors
    "closes": "exec <&-; sleep 0.1",  # the state is larger than the pipe
    "prints": f"for n in 1 2; do dd if=/dev/zero bs=1048576 count={MEGABYTES} 2>/dev/null; exec >&2; done",
}


def with_hook(made: Bundle, kind: str, script: str, **more: Any) -> Bundle:
    """The bundle with one hook, and a state that does not fit into a pipe."""
    made.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script], **more}]}
    made.config["annotations"] = {"large": "x" * 100_000}
    return made.save()


def prepare(trial: Trial, verb: str) -> list[str]:
    """The command that runs the hook, with the container as it has to be for that."""
    if verb == "create":
        return ["create", "--bundle", str(trial.made), trial.id]
    trial.pyrunc.ok("create", "--bundle", trial.made, trial.id)
    return [verb, trial.id]


def end_daemons(trial: Trial) -> int:
    """Ends what hooks have left running by intention; how many."""
    left = [pid for pid in processes.descendants(os.getpid()) if "sleep 1000" in processes.name_of(pid)]
    left = [pid for pid in left if pid not in trial.bystanders and len(processes.namespace_pids(pid)) == 1]
    processes.end(left)
    return len(left)


@pytest.mark.parametrize(
    ("what", "kind"),
    [*itertools.product(FAILING, KINDS)]
    if FULL
    else [("dies", "createContainer"), ("hangs", "startContainer"), ("hangs", "poststart"), ("exits", "poststop")],
)
def test_failing(what: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The command fails and names hook and container; of poststop it only warns."""
    script, words, words_of_init = FAILING[what]
    verb = KINDS[kind]
    trial = Trial(pyrunc, with_hook(bundle(SLEEP), kind, script, timeout=1))
    result = trial.meet(f"{kind} {what}", *prepare(trial, verb))
    assert (words_of_init if kind == "startContainer" else words) in result.stderr
    assert f"hooks.{kind}[0]: " in result.stderr
    if kind == "poststop":
        assert result.returncode == 0
        assert result.stderr.startswith("warning: ")
    else:
        assert result.returncode == 1
    if kind in ("startContainer", "poststart"):
        assert pyrunc.state(trial.id)["status"] == "stopped"
    elif verb == "create":
        assert pyrunc("state", trial.id).returncode == 1
    trial.clean(what)
    assert not trial.wrong, trial.wrong


@pytest.mark.parametrize(
    ("what", "kind"),
    [*itertools.product(HARMLESS, KINDS)]
    if FULL
    else [
        ("forks", "createRuntime"),
        ("forks", "startContainer"),
        ("closes", "createContainer"),
        ("closes", "startContainer"),
        ("prints", "poststart"),
        ("prints", "startContainer"),
    ],
)
def test_harmless(what: str, kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """What looks bad and is allowed: the command does not wait for it, nor keep it."""
    trial = Trial(pyrunc, with_hook(bundle(SLEEP), kind, HARMLESS[what], timeout=30))
    command = prepare(trial, KINDS[kind])
    begin = time.monotonic()
    result = trial.meet(f"{kind} {what}", *command)
    assert result.returncode == 0, result
    assert result.stderr == ""
    assert time.monotonic() - begin < 10 or what == "prints"
    daemons = end_daemons(trial)
    assert daemons == (what == "forks" and kind not in ("createContainer", "startContainer"))
    trial.clean(what)
    end_daemons(trial)
    assert not trial.wrong, trial.wrong


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP] if FULL else [signal.SIGTERM])
@pytest.mark.parametrize(
    ("kind", "verb"),
    [*KINDS.items(), *((kind, "run") for kind in KINDS)]
    if FULL
    else [("createRuntime", "create"), ("createContainer", "run"), ("startContainer", "run"), ("poststop", "delete")],
)
def test_interrupted(kind: str, verb: str, number: int, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """A hook without a timeout hangs, and the user has had enough: the hook ends with the command."""
    script = f"[ -e {folder}/once ] && exit; >{folder}/once; exec sleep 999.25"
    if kind == "startContainer":
        script = "exec sleep 999.25"  # inside, where there is no such folder
    made = with_hook(bundle(SLEEP if kind != "poststop" else ("/bin/true",)), kind, script)
    trial = Trial(pyrunc, made)
    command = prepare(trial, verb) if verb != "run" else ["run", "--bundle", str(made), trial.id]
    with open(folder / "err", "wb") as err:
        process = pyrunc.popen(*command, stdout=subprocess.DEVNULL, stderr=err)

    def hangs() -> bool:
        return any("(sleep 999.25)" in processes.name_of(pid) for pid in processes.descendants(os.getpid()))

    processes.wait_until(hangs, "the hook")
    process.send_signal(number)
    status = end_of(process, 5)
    processes.wait_until(lambda: not hangs(), "the hook's end")
    said = (folder / "err").read_text()
    assert status == 128 + number, (status, said)
    by = "" if number == signal.SIGINT else f" by signal {number:d}"
    assert said.startswith(f"pyrunc {verb} failed: {trial.id}: interrupted{by}\n"), said
    if verb in ("create", "run") and kind != "poststop":
        assert pyrunc("state", trial.id).returncode == 1
    trial.clean(f"{verb} interrupted")
    assert not trial.wrong, trial.wrong
