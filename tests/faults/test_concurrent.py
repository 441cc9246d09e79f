"""Commands at once on one container: every outcome is one that some order of them could give, and nothing hangs."""

import itertools
import json
import random
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.system_faults import FULL, SLEEP, traces
from tests.support.system_faults_arena import Arena
from tests.support.system_faults_model import COMMANDS, STATUSES, explains

pytestmark = [pytest.mark.root, pytest.mark.timeout(3000 if FULL else 60)]

SEED = 4711
PAIRS = [*itertools.product(STATUSES, itertools.combinations_with_replacement(COMMANDS, 2))]


def test_the_model() -> None:
    """It tells what can be from what cannot."""
    assert explains("created", [("start", "ok"), ("start", "is running")], "running")
    assert explains("created", [("kill", "ok"), ("start", "killed"), ("state", "stopped")], "stopped")
    assert explains("paused", [("force", "ok"), ("exec", "is stopped")], "none")
    assert not explains("created", [("start", "ok"), ("start", "ok")], "running")
    assert not explains("running", [("delete", "ok"), ("delete", "ok")], "none")
    assert not explains("running", [("kill", "ok"), ("pause", "ok")], "paused")
    assert not explains("stopped", [("delete", "ok"), ("state", "creating")], "none")
    assert not explains("running", [("pause", "ok"), ("resume", "not paused")], "running")


def test_one(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """The model is right about each command alone, in each status."""
    arena = Arena(pyrunc, bundle(SLEEP), folder)
    alone = [*itertools.product(STATUSES, COMMANDS)]
    for status, command in alone if FULL else random.Random(SEED).sample(alone, 5):
        arena.at_once(status, [command], [0.0])
    assert not arena.wrong, "\n".join(arena.wrong)


@pytest.mark.parametrize("seed", range(SEED, SEED + (4 if FULL else 1)))
def test_two(seed: int, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Each pair of commands, in each status."""
    dice = random.Random(seed)
    arena = Arena(pyrunc, bundle(SLEEP), folder)
    for status, pair in PAIRS if FULL else dice.sample(PAIRS, 10):
        arena.at_once(status, pair, [dice.uniform(0, 0.02) for _ in pair])
    assert not arena.wrong, "\n".join(arena.wrong)


@pytest.mark.parametrize("seed", range(SEED, SEED + (300 if FULL else 2)))
def test_twenty(seed: int, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Twenty commands, in any status; some come when others have ended."""
    dice = random.Random(seed)
    arena = Arena(pyrunc, bundle(SLEEP), folder)
    commands = dice.choices(tuple(COMMANDS), k=20)
    length = dice.choice((0.0, 0.15, 0.4))
    arena.at_once(dice.choice(STATUSES), commands, [dice.uniform(0, length) for _ in commands])
    assert not arena.wrong, "\n".join(arena.wrong)


@pytest.mark.parametrize("verb", ["create", "run"])
def test_twenty_of_one_id(verb: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """One wins, the others say so, and the container is the winner's."""
    container_id = pyrunc.new_id()
    options = ["--detach"] if verb == "run" else []
    started: list[subprocess.Popen[bytes]] = []
    made = bundle(SLEEP)
    for number in range(20):
        config = folder / f"{number}.json"
        config.write_text(json.dumps({**made.config, "annotations": {"number": str(number)}}))
        with open(folder / f"{number}.err", "wb") as err:
            command = [verb, *options, "--bundle", str(made), "--config", str(config), container_id]
            started.append(pyrunc.popen(*command, stdout=subprocess.DEVNULL, stderr=err))
    statuses = [process.wait(30) for process in started]
    assert sorted(statuses) == [0] + [1] * 19
    winner = statuses.index(0)
    errors = [(folder / f"{number}.err").read_text() for number in range(20) if number != winner]
    assert all("container with given ID already exists" in error for error in errors), errors
    state = pyrunc.state(container_id)
    assert state["annotations"] == {"number": str(winner)}
    assert state["status"] == ("running" if verb == "run" else "created")
    pyrunc.ok("delete", "--force", container_id)
    assert traces(container_id) == []
