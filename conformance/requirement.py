"""What a check says of itself: its number, how strict the requirement is, where it stands, and how it can be broken."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

MUST = "MUST"
SHOULD = "SHOULD"


@dataclass(frozen=True)
class Break:
    """A way to spoil a runtime, which the check has to notice (broken_runtime.py does it).

    kind:    "config", "process", "output", "skip", "refuse", "forgive" or "also"
    command: the runtime's command that is spoiled
    pointer: JSON pointer of what is removed, or replaced by `value`
    remove:  whether it is removed
    """

    kind: str
    command: str = ""
    pointer: str = ""
    value: Any = None
    remove: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For the wrapper's environment, and for the report."""
        return asdict(self)


def drop(pointer: str) -> Break:
    """The runtime ignores this part of config.json."""
    return Break("config", "create", pointer, remove=True)


def garble(pointer: str, value: Any) -> Break:
    """The runtime reads another value in config.json."""
    return Break("config", "create", pointer, value)


def drop_process(pointer: str) -> Break:
    """`exec` ignores this part of the process file."""
    return Break("process", "exec", pointer, remove=True)


def answer(command: str, pointer: str, value: Any) -> Break:
    """The command's JSON says something else."""
    return Break("output", command, pointer, value)


def unanswered(command: str, pointer: str) -> Break:
    """The command's JSON leaves something out."""
    return Break("output", command, pointer, remove=True)


def skip(command: str) -> Break:
    """The command does nothing and says that all is well."""
    return Break("skip", command)


def refuse(command: str) -> Break:
    """The command fails."""
    return Break("refuse", command)


def forgive(command: str) -> Break:
    """The command says that all is well when it has failed."""
    return Break("forgive", command)


def also(command: str, script: str) -> Break:
    """After the command a shell script runs: with $RUNTIME (and its global options), $ID and $BUNDLE."""
    return Break("also", command, value=script)


@dataclass(frozen=True)
class Requirement:
    """One requirement of the specification.

    number:  of the check; stable, never given again
    level:   MUST (and MUST NOT) or SHOULD (and SHOULD NOT)
    section: "config.md#root": file and anchor in the specification
    text:    what is asked, in one sentence
    breaks:  each has to be noticed
    """

    number: int
    level: str
    section: str
    text: str
    breaks: tuple[Break, ...]


def check(number: int, level: str, section: str, text: str, *breaks: Break) -> Callable[[Any], Any]:
    """Marks a test function as the check of one requirement."""
    if level not in (MUST, SHOULD):
        raise ValueError(f"check {number}: level {level}")
    if not breaks:
        raise ValueError(f"check {number}: without a way to break it nobody knows whether it tests anything")
    return pytest.mark.requirement(Requirement(number, level, section, text, breaks))


def requirement_of(item: pytest.Item) -> Requirement:
    """The requirement that a test function checks.  Raises pytest.UsageError for one that names none."""
    mark = item.get_closest_marker("requirement")
    if mark is None:
        raise pytest.UsageError(f"{item.nodeid}: not marked with @check")
    found = mark.args[0]
    assert isinstance(found, Requirement)
    return found
