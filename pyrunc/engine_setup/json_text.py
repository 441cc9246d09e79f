"""Members put into the text of a JSON object and taken out again, with all other characters left as they are."""

import json
from typing import Any, NamedTuple

from pyrunc.errors import PyruncError

SPACE = " \t\n\r"


class Member(NamedTuple):
    """A member of an object: its name and value, and where in the text it, and its value, begin and end."""

    name: str
    value: Any
    start: int
    value_start: int
    end: int


def parse(text: str) -> dict[str, Any]:
    """The object that the text is.  Raises PyruncError with line and column."""
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        reason = f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        raise PyruncError(reason, hint="nothing was changed") from error
    except (ValueError, RecursionError) as error:  # numbers too long for int(), too many brackets
        raise PyruncError(f"cannot be read: {error}", hint="nothing was changed") from error
    if not isinstance(data, dict):
        raise PyruncError("is no JSON object", hint="nothing was changed")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        twice = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise PyruncError(f'has the member "{twice}" twice in one object', hint="nothing was changed")
    return data


def _no_constant(name: str) -> None:
    raise PyruncError(f"is no JSON: {name}", hint="nothing was changed")


def members(text: str, start: int) -> list[Member]:
    """The members of the object whose brace is at `start`, of a text that is known to be JSON."""
    decoder = json.JSONDecoder()
    found = []
    at = space(text, start + 1)
    while text[at] != "}":
        first = at
        name, at = decoder.raw_decode(text, at)
        value_start = space(text, space(text, at) + 1)
        value, end = decoder.raw_decode(text, value_start)
        found.append(Member(name, value, first, value_start, end))
        at = space(text, end)
        if text[at] == ",":
            at = space(text, at + 1)
    return found


def space(text: str, at: int) -> int:
    """Where the white space that begins at `at` ends."""
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def insert(text: str, start: int, member: str) -> str:
    """Puts the member first in the object whose brace is at `start`, laid out as what is there."""
    first = space(text, start + 1)
    before = text[start + 1 : first]
    if text[first] != "}":
        member += ","
    elif "\n" in before:
        before += "  "
    return text[: start + 1] + before + member + text[start + 1 :]


def remove(text: str, start: int, name: str) -> str:
    """Takes the member out of the object whose brace is at `start`: the inverse of `insert`, wherever it is by now."""
    found = members(text, start)
    number = [member.name for member in found].index(name)
    if len(found) == 1:
        return text[: start + 1] + text[found[0].end :]
    if number + 1 < len(found):
        return text[: found[number].start] + text[found[number + 1].start :]
    return text[: found[number - 1].end] + text[found[number].end :]
