"""Operations: small functions that ask an engine for something and look at the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Action = Callable[[Any], None]
OPERATIONS: "list[Operation]" = []


class CannotRun(Exception):
    """The machine or the engine cannot do this at all, whatever the runtime; the message says why."""


@dataclass(frozen=True)
class Operation:
    """One thing that an engine does.

    engine:  its name
    name:    what is done, in words
    action:  does it, with the Engine; an AssertionError is a failure, CannotRun leaves it out
    core:    one of the few that stand for their kind in a short run
    """

    engine: str
    name: str
    action: Action
    core: bool


def operation(engines: str, name: str, *, core: "bool | str" = False) -> Callable[[Action], Action]:
    """Makes a function an operation of these engines (words), and one of the core of all or some of them."""
    of_core = (engines if core else "") if isinstance(core, bool) else core

    def register(action: Action) -> Action:
        OPERATIONS.extend(Operation(engine, name, action, engine in of_core.split()) for engine in engines.split())
        return action

    return register
