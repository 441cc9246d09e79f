"""Changing inputs: as bytes, and as the structure of a JSON document."""

import json
import marshal
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.support import mutations

NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"4294967295", b"18446744073709551616", b"1e999", b"1.5", b"-0")
ODD = (b"\0", b"\n", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"\\u0000", b"\\ud800", b"/", b"..", b"%s")
TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "/",
    "..",
    "../..",
    "a/../b",
    "-",
    ".",
    "\ud800",
    "é",
    "\x7f",
    "x" * 300,
    "0",
    "-1",
)


def octets(data: bytes, random: Random, words: Sequence[str] = ()) -> bytes:
    """A few changes of single bytes and stretches of them; words: what the format is made of."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        data = _change(data, random, words)
    return data


def _change(data: bytes, random: Random, words: Sequence[str]) -> bytes:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 1, 2, 4, 8, 32, 256)))
    how = random.randrange(8)
    if how == 0:
        return data[:start] + data[end:]
    if how == 1:
        return data[:end] + data[start:end] * random.choice((1, 1, 2, 40)) + data[end:]
    if how == 2 and start < len(data):
        return data[:start] + bytes([data[start] ^ 1 << random.randrange(8)]) + data[start + 1 :]
    if how == 3:
        return data[:start] + random.choice(NUMBERS + ODD) + data[end:]
    if how == 4:
        target = random.randrange(len(data) + 1)
        return data[:target] + data[start:end] + data[target:]
    if how == 5 and words:
        return data[:start] + random.choice(words).encode("utf-8", "surrogatepass") + data[end:]
    if how == 6:
        return data[:start] + random.randbytes(end - start) + data[end:]
    return data[:start] + random.choice(NUMBERS + ODD) + data[start:]


def document(value: Any, random: Random, words: Sequence[str] = (), others: Sequence[Any] = ()) -> Any:
    """A copy of a JSON value with something replaced, removed, added, repeated, or taken from another document."""
    whole = {"": copied(value)}  # so that every value has something that it is in
    for _ in range(random.choice((1, 1, 2, 4))):
        try:
            places = [path for path in mutations.paths(whole) if path]
        except RecursionError:  # what is nested as deeply as that stays as it is
            break
        path = random.choice(places)
        parent, key = at(whole, path[:-1]), path[-1]
        how = random.randrange(7)
        if how == 0 and len(path) > 1:
            del parent[key]
        elif how == 1:
            _add_member(parent[key], random, words)
        elif how == 2 and others:
            _graft(whole, {"": random.choice(others)}, random)
        elif how == 3:
            parent[key] = copied(at(whole, random.choice(places)))
        elif how == 4 and isinstance(parent, list):
            parent += copied(parent)
        else:
            parent[key] = scalar(random, words)
    return whole[""]


def copied(value: Any) -> Any:
    """A copy of a JSON value, much faster than by copy.deepcopy."""
    return marshal.loads(marshal.dumps(value))


def at(value: Any, path: mutations.Path) -> Any:
    """What is at a path."""
    for part in path:
        value = value[part]
    return value


def scalar(random: Random, words: Sequence[str]) -> Any:
    """A value of any type, most of them with a meaning somewhere."""
    how = random.randrange(5)
    if how == 0 or (how < 3 and not words):
        return random.choice(TEXTS)
    if how < 3:
        return random.choice(words)
    if how == 3:
        return copied(random.choice(mutations.VALUES))  # some are lists, which further changes go into
    return random.choice((0, 1, -1, 1000, 65536, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, True, False, None))


def _add_member(place: Any, random: Random, words: Sequence[str]) -> None:
    if isinstance(place, dict):
        place[scalar_text(random, words)] = scalar(random, words)
    elif isinstance(place, list):
        place.insert(random.randrange(len(place) + 1), scalar(random, words))


def _graft(value: Any, other: Any, random: Random) -> None:
    """Puts a part of another document at the same path, where the path's parent is there, too."""
    path = random.choice([path for path in mutations.paths(other) if path])
    try:
        parent = at(value, path[:-1])
    except (KeyError, IndexError, TypeError):
        return
    if isinstance(parent, dict):
        parent[path[-1]] = copied(at(other, path))


def scalar_text(random: Random, words: Sequence[str]) -> str:
    """A name."""
    return random.choice(words or TEXTS) if random.randrange(4) else random.choice(TEXTS)


def dumped(value: Any, random: Random) -> bytes:
    """The document as a text; lone surrogates become what JSON writes for them."""
    separators = random.choice([(",", ":"), (", ", ": ")])
    return json.dumps(value, ensure_ascii=random.random() < 0.5, separators=separators).encode("utf-8", "surrogatepass")
