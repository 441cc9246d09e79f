"""Fixtures of the attacks: what they must not change, and copies of pyrunc that they can succeed against."""

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.canary import Canary
from tests.support.denied import Denied, DenyFactory, build_denied
from tests.support.runtime import Pyrunc
from tests.support.swapper import build_swapper
from tests.support.weakened import Change, weakened

SNOOP = Path(__file__).parent.parent / "support/snoop.c"


@pytest.fixture
def canary(folder: Path) -> Canary:
    """A folder of the host that must stay as it is."""
    return Canary(folder / "canary")


@pytest.fixture(scope="session")
def weak_command(session_folder: Path) -> Callable[..., Path]:
    """weak_command(*changes) is the command of a copy of pyrunc with these changes; the same ones are built once."""
    numbers = itertools.count(1)
    made: dict[tuple[Change, ...], Path] = {}

    def command(*changes: Change) -> Path:
        if changes not in made:
            made[changes] = weakened(session_folder / f"weak-{next(numbers)}", *changes)
        return made[changes]

    return command


@pytest.fixture
def weak(weak_command: Callable[..., Path], folder: Path) -> Iterator[Callable[..., Pyrunc]]:
    """weak(*changes) calls such a copy, with a state root of its own; what it left is deleted by force."""
    numbers = itertools.count(1)
    made: list[Pyrunc] = []

    def call(*changes: Change) -> Pyrunc:
        name = f"weak-{folder.name}{next(numbers)}"
        made.append(Pyrunc(weak_command(*changes), folder / f"root-{name}", folder / f"output-{name}"))
        return made[-1]

    yield call
    failures = [failure for pyrunc in made for failure in pyrunc.delete_all()]
    assert not failures, failures


@pytest.fixture(scope="session")
def snoop(session_folder: Path) -> Path:
    """The static hostile program of snoop.c."""
    program = session_folder / "snoop"
    subprocess.run(
        ["gcc", "-std=c11", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o", program, SNOOP], check=True
    )
    return program


@pytest.fixture(scope="session")
def swapper(session_folder: Path) -> Path:
    """The program that exchanges two names as fast as it can."""
    return build_swapper(session_folder)


@pytest.fixture
def deny(pyrunc: Pyrunc, session_folder: Path) -> DenyFactory:
    """deny(error, calls) is `pyrunc` under a seccomp filter that denies these system calls; of: another command;
    only: the commands that are called so."""
    program = build_denied(session_folder)

    def make(error: str, calls: str, only: "tuple[str, ...]" = (), of: "Pyrunc | None" = None) -> Denied:
        return Denied(of or pyrunc, program, error, calls, only)

    return make
