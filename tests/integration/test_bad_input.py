"""Bad input: every wrong configuration, id, option and environment gets its exact message and leaves nothing behind."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bad_input import (
    cgroups,
    checkpoint,
    commands,
    containers,
    control,
    engine_setup,
    environment,
    files,
    hooks,
    isolation,
    mounts,
    options,
    process,
    rootless,
)
from tests.integration.bad_input.case import Case, World
from tests.support import leaks
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

TABLES = (
    files,
    process,
    mounts,
    isolation,
    cgroups,
    hooks,
    containers,
    control,
    commands,
    options,
    environment,
    rootless,
    checkpoint,
    engine_setup,
)
CASES: list[Case] = [case for table in TABLES for case in table.CASES]


@pytest.fixture
def world(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> Iterator[World]:
    """A container's id and bundle; what a preparation has to take back is taken back at the end."""
    made = World(pyrunc, bundle, folder)
    yield made
    for undo in reversed(made.undo):
        undo()


def picture(world: World) -> dict[str, set[str]]:
    """All that a container can leave: its state, processes, mounts and cgroups."""
    return {
        "files": {str(path) for path in world.folder.rglob("*") if world.is_of_interest(path)},
        "processes and mounts": leaks.own_mounts_and_processes(),
        "cgroups": {path for path in leaks.cgroups() if leaks.prefix() in path},
    }


def pattern(text: str) -> str:
    """The expected text as a regular expression: {number} stands for any, all else for itself."""
    return re.escape(text).replace(re.escape("{number}"), r"\d+")


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[getattr(pytest.mark, m) for m in case.marks]) for case in CASES]
)
def test_bad_input(case: Case, world: World) -> None:
    """The command fails with the status and the words of the table, and the machine is as it was before."""
    for change in case.config:
        change(world.bundle.config)
    world.bundle.save()
    if case.prepare is not None:
        case.prepare(world)
    before = picture(world)
    result = world.perform(case.command)
    after = picture(world)
    expected = world.fill(case.error) + "\n" if case.error else ""
    assert re.fullmatch(pattern(expected), result.stderr), f"expected:\n{expected}\nactual:\n{result.stderr}"
    assert result.returncode == case.status
    assert result.stdout == world.fill(case.stdout)
    assert {kind: after[kind] ^ before[kind] for kind in before} == {kind: set() for kind in before}


@pytest.mark.parametrize("attempt", range(3))
def test_two_creates_of_one_id_at_once(world: World, attempt: int) -> None:
    """One wins; the other is told that it came too late, and takes nothing from the winner."""
    command = ["create", "--bundle", str(world.bundle), world.id]
    outputs = [world.folder / f"err{number}" for number in range(2)]
    both = []
    for output in outputs:
        with output.open("w") as stderr:
            both.append(world.pyrunc.popen(*command, stdout=subprocess.DEVNULL, stderr=stderr))
    statuses = [process.wait(30) for process in both]
    assert sorted(statuses) == [0, 1], [output.read_text() for output in outputs]
    words = "pyrunc create failed: {id}: create {state}: container with given ID already exists\n"
    hint = "hint: choose another id, or remove that container: pyrunc delete {id}\n"
    assert outputs[statuses.index(1)].read_text() == world.fill(words + hint)
    assert world.pyrunc.state(world.id)["status"] == "created"
    world.ok("start {id}")


def test_enough_and_distinct() -> None:
    """At least sixty cases, and no two of one name."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 60
