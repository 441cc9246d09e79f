"""A container as a sequential machine: what each command answers in each status, and whether the answers of several
commands at once are those of some order of them.

A status that ends with "!" is that of a container whose process was sent SIGKILL and has not ended yet: it answers
as before, or as stopped.  "paused" is a frozen program, "held" a frozen container that waits to be started.
"""

from collections.abc import Iterator
from typing import NamedTuple

GONE = "none"
LIVE = ("created", "running", "paused", "held")
SHOWN = {"held": "paused"}  # what `state` says of a status, where it has another name
STATUSES = (*LIVE, "stopped")

COMMANDS: "dict[str, list[str]]" = {
    "start": ["start", "ID"],
    "kill": ["kill", "ID", "KILL"],
    "term": ["kill", "ID", "TERM"],  # which the first process of a pid namespace ignores
    "delete": ["delete", "ID"],
    "force": ["delete", "--force", "ID"],
    "exec": ["exec", "--detach", "ID", "/bin/true"],
    "pause": ["pause", "ID"],
    "resume": ["resume", "ID"],
    "update": ["update", "--pids-limit", "77", "ID"],
    "state": ["state", "ID"],
}
UNLOCKED = ("kill", "term", "exec", "state")
"""Those that do not wait for the container's lock, and so can see a `delete` that is halfway."""

# The words of an error, and what they mean; the first that is found counts.
WORDS = {
    "container does not exist": "missing",
    "cannot start an already running container": "is running",
    "cannot start a container in the paused state": "is paused",
    "cannot start a container that has stopped": "is stopped",
    "container not running": "not running",
    "container not paused": "not paused",
    "cannot exec in a stopped container": "is stopped",
    "cannot exec in a paused container": "is paused",
    "that is not stopped: running": "is running",
    "that is not stopped: paused": "is paused",
    "that is not stopped: created": "is created",
    "killed before it was ready": "killed",
}


class Machine(NamedTuple):
    """status: as above;  locked: a `delete` is between its two steps"""

    status: str
    locked: bool = False


def outcome(command: str, status: int, output: str, error: str) -> str:
    """The answer of a command in one word or two; its whole error where the model knows no such answer."""
    if status == 0:
        return output if command == "state" else "ok"
    return next((word for text, word in WORDS.items() if text in error), error)


def steps(command: str, machine: Machine) -> "Iterator[tuple[str, Machine, str]]":
    """What a command may answer now: (answer, the machine afterwards, the command that is left to do or "")."""
    status, locked = machine
    if locked and command not in (*UNLOCKED, "remove"):
        return
    if command == "remove":
        yield "ok", Machine(GONE), ""
        return
    base = status.rstrip("!")
    yield from _plain(command, base, status.endswith("!"), locked)


def _plain(command: str, base: str, dying: bool, locked: bool) -> "Iterator[tuple[str, Machine, str]]":
    here = Machine(base + "!" * dying, locked)
    live = base in LIVE
    if command == "state":
        yield ("missing" if base == GONE else SHOWN.get(base, base)), here, ""
    elif command == "force":
        if base == GONE:
            yield "ok", here, ""
        else:
            yield "", Machine(dead(base), True), "remove"
    elif base == GONE:
        yield "missing", here, ""
    elif command == "delete":
        if base in ("stopped", "created"):
            yield "", Machine(dead(base), True), "remove"
        else:
            yield f"is {SHOWN.get(base, base)}", here, ""
    elif command in ("kill", "term"):
        if not live:
            yield "not running", here, ""
        else:
            yield "ok", (Machine(dead(base), locked) if command == "kill" else here), ""
    elif command == "exec":
        if base in ("paused", "held", "stopped"):
            yield f"is {SHOWN.get(base, base)}", here, ""
        else:
            yield "ok", here, ""
    elif command == "start":
        if base == "created":
            yield "ok", Machine("running" + "!" * dying), ""
            if dying:
                yield "killed", Machine("running!"), ""
        else:
            yield f"is {SHOWN.get(base, base)}", here, ""
    elif command == "pause":
        after = {"created": "held", "running": "paused"}.get(base)
        yield ("ok", Machine(after + "!" * dying), "") if after else ("not running", here, "")
    elif command == "resume":
        after = {"held": "created", "paused": "running"}.get(base)
        yield ("ok", Machine(after + "!" * dying), "") if after else ("not paused", here, "")
    elif command == "update":
        yield ("ok" if live else "not running"), here, ""


def dead(base: str) -> str:
    """The status of a container that was killed."""
    return f"{base}!" if base in LIVE else base


def unseen(machine: Machine) -> "Iterator[Machine]":
    """What happens by itself: who was killed ends; and is thawed for that, if frozen."""
    status, locked = machine
    if status.endswith("!"):
        yield Machine("stopped", locked)
        thawed = {"paused!": "running!", "held!": "created!"}.get(status)
        if thawed:
            yield Machine(thawed, locked)


def explains(first: str, answers: "list[tuple[str, str]]", last: str) -> bool:
    """Whether the commands, in some order, could have given these answers and left the container in that status.

    answers: (command, answer), all at once;  last: the status afterwards, with all that was killed gone
    """
    seen: "set[tuple[tuple[tuple[str, str], ...], Machine]]" = set()

    def search(asked: "list[tuple[str, str]]", machine: Machine) -> bool:
        # What changes nothing can as well have its turn at once.
        left = tuple(sorted(one for one in asked if (one[1], machine, "") not in steps(one[0], machine)))
        if (left, machine) in seen:
            return False
        seen.add((left, machine))
        if not left and machine == Machine(last):
            return True
        if any(search([*left], later) for later in unseen(machine)):
            return True
        for command, answer in dict.fromkeys(left):
            rest = [*left]
            rest.remove((command, answer))
            for given, later, remaining in steps(command, machine):
                if remaining and answer == "ok" and search([*rest, (remaining, answer)], later):
                    return True
                if not remaining and given == answer and search(rest, later):
                    return True
        return False

    return search(answers, Machine(first))
