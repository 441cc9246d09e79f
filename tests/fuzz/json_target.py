"""fastjson beside json: the same verdict and the same value, but for the stricter rules that it has on purpose."""

import json
from random import Random
from typing import Any

from pyrunc import fastjson
from pyrunc.errors import ConfigError
from pyrunc.spec import load
from tests.fuzz import mutate
from tests.fuzz.target import Target
from tests.support import corpus

SEEDS = (
    '{"a": [1, -0, 0.5, 1e3, -1E-2, true, false, null, "\\u00e9\\ud83d\\ude00\\n\\/"], "b": {"c": {}, "d": []}}',
    '[[[[[[[[]]]]]]], {"": {"": {"": null}}}]',
    ' \t\r\n"text" ',
    "12345678901234567890",
    "[" * 128 + "]" * 128,
    "[" * 129 + "]" * 129,
    '{"a":1,"a":2}',
    '"\\ud800"',
    "\ufeff1",
    "NaN",
    "-Infinity",
    "1e999",
    "[1,2] 3",
    '"\x00"',
)
WORDS = (
    "true",
    "false",
    "null",
    "NaN",
    "-Infinity",
    "1e400",
    "\\ud834",
    "\\udd1e",
    '"a":',
    "[[",
    "{}",
    "\\",
    "\ufeff",
    "//",
)


class Refused(Exception):
    """What the stricter rules refuse."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without nulls; no name twice."""
    if len(dict(pairs)) != len(pairs):
        raise Refused("a name twice")
    return {name: value for name, value in pairs if value is not None}


def finite(digits: str) -> float:
    """A number that is none of the infinities."""
    if abs(float(digits)) == float("inf"):
        raise Refused("infinite")
    return float(digits)


def constant(name: str) -> None:
    """NaN and the infinities by name."""
    raise Refused(name)


def reference(text: str) -> Any:
    """What json makes of the text, by the rules of fastjson.  Raises ValueError, RecursionError or Refused."""
    value = json.loads(text, object_pairs_hook=unique, parse_float=finite, parse_constant=constant)
    text.encode()
    # Whatever is written as \ud800 has to be half of a pair in the value, too.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def depth_of(text: str) -> int:
    """How deep the brackets of a valid text nest."""
    depth = deepest = 0
    quoted = escaped = False
    for character in text:
        if quoted:
            quoted, escaped = escaped or character != '"', not escaped and character == "\\"
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


class JsonTarget(Target):
    """Texts that are nearly JSON."""

    name = "json"
    words = WORDS

    def seeds(self) -> list[bytes]:
        """Everything that JSON has and much of what it has not, and a real document."""
        return [
            *(text.encode("utf-8", "surrogatepass") for text in SEEDS),
            json.dumps(corpus.load("podman-run-default.json")).encode(),
        ]

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Mostly as bytes."""
        if random.randrange(3) == 0 and len(data) < 4096:
            try:
                return mutate.dumped(mutate.document(json.loads(data), random, self.words), random)
            except (ValueError, RecursionError):
                pass  # no JSON: as bytes
        return mutate.octets(data, random, self.words)

    def check(self, data: bytes) -> str:
        """One text."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            try:
                load.parse_value(data, "x")
            except ConfigError:
                return "no UTF-8"
            raise AssertionError("what is no UTF-8 is taken") from None
        try:
            value: Any = fastjson.loads(text)
        except fastjson.JSONError as error:
            assert error.message, "no words"
            assert 0 <= error.offset <= len(text), f"a place outside the text: {error.offset} of {len(text)}"
            assert error.line == text.count("\n", 0, error.offset) + 1, "another line"
            assert 1 <= error.column <= error.offset + 1, "no column"
            self.also_refused(text, error)
            return "refused: " + error.message[:20]
        expected = reference(text)
        assert depth_of(text) <= fastjson.MAX_DEPTH, "nested too deeply"
        assert repr(value) == repr(expected), f"another value: {value!r}, and by json {expected!r}"
        again = fastjson.dumps(value)
        assert again == json.dumps(value, ensure_ascii=False, separators=(",", ":")), "written differently"
        assert repr(fastjson.loads(fastjson.dumps(value, True))) == repr(expected), "read differently when indented"
        return f"taken: {type(value).__name__} {min(depth_of(text), 9)}"

    def also_refused(self, text: str, error: Exception) -> None:
        """json refuses it, too, or it is one of the stricter rules."""
        try:
            reference(text)
        except (ValueError, RecursionError, Refused):
            return
        assert depth_of(text) > fastjson.MAX_DEPTH, f"json takes what is refused here: {error}"
