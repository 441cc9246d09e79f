"""JSON without importing json: the interpreter's own C scanner and encoder, and stricter rules.

Importing json costs about 8 ms, which is half a container.  The C accelerators behind it can be used alone.

Refused, because no two readers agree on them or because they are attacks: duplicate keys, NaN and infinities,
nesting deeper than MAX_DEPTH, more than MAX_CONTAINERS arrays and objects, integers too long for int(), lone
surrogates, a byte order mark, anything after the value.  Members of an object that are null are dropped: the runtime
specification treats them as absent.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    encode_basestring: Callable[[str], str]
    scanstring: Callable[[str, int, bool], tuple[str, int]]
    make_scanner: Callable[[Any], Callable[[str, int], tuple[object, int]]]
    make_encoder: "Callable[..., Callable[[object, int], tuple[str, ...]]] | None"
else:
    try:
        from _json import encode_basestring, make_encoder, make_scanner, scanstring
    except ImportError:  # an interpreter without the accelerators: the same rules, slower
        from json.decoder import JSONDecoder
        from json.decoder import scanstring as scanstring
        from json.encoder import encode_basestring as encode_basestring

        make_encoder = None

        def make_scanner(rules):
            return JSONDecoder(
                object_pairs_hook=rules.object_pairs_hook,
                parse_float=rules.parse_float,
                parse_constant=rules.parse_constant,
            ).scan_once


MAX_DEPTH = 128
MAX_CONTAINERS = 1 << 17  # "[]," is 3 bytes of text, and 64 of memory
WHITESPACE = " \t\n\r"


class JSONError(ValueError):
    """The text is not JSON, or not JSON that is accepted here.

    offset: index of the offending character; line and column: the same, counted from 1.
    """

    def __init__(self, message: str, offset: int = 0, text: str = "") -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        self.offset = offset
        self.message = message
        super().__init__(f"line {self.line}, column {self.column}: {message}")


class _Refused(ValueError):
    """Raised inside the scanner, which does not say where it is; _first_refusal finds the place again."""


def _object(pairs: "list[tuple[str, object]]") -> "dict[str, object]":
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused
    if None in value.values():
        return {key: item for key, item in pairs if item is not None}
    return value


def _refuse(_: str) -> object:
    raise _Refused


def _float(digits: str) -> float:
    value = float(digits)
    if value - value != 0.0:  # 1e999 overflows to infinity
        raise _Refused
    return value


class _Rules:
    """What make_scanner reads its settings from."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = staticmethod(_float)
    parse_int = int
    parse_constant = staticmethod(_refuse)


_scan = make_scanner(_Rules)


def loads(text: str) -> object:
    """The value of a JSON text, by the rules of this module.  Raises JSONError."""
    try:
        octets = text.encode()
        if _deeper_than(octets, MAX_DEPTH):
            raise _Refused
        value, end = _scan(text, len(text) - len(text.lstrip(WHITESPACE)))
        if b"\\ud" in octets or b"\\uD" in octets:
            _check_surrogates(value)
    except (StopIteration, ValueError, RecursionError, SystemError) as error:
        raise _explain(text, error) from None
    rest = text[end:].lstrip(WHITESPACE)
    if rest:
        raise JSONError("more text after the value", len(text) - len(rest), text)
    return value


_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(octet for octet in range(256) if octet not in _BRACKETS)


def _deeper_than(octets: bytes, limit: int) -> bool:
    """Whether the brackets of a JSON text nest deeper than limit, or are too many; found at the speed of C.

    Strings are cut out; then each round removes the innermost pairs, so the number of rounds is the depth.
    """
    if octets.count(b"[") + octets.count(b"{") <= limit:
        return False
    if b"\\" in octets:
        octets = octets.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(octets.split(b'"')[::2]).translate(None, _NO_BRACKETS)
    if len(brackets) > 2 * MAX_CONTAINERS:
        return True
    for _ in range(limit):
        fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        # What does not pair up is no JSON: the scanner will say so (by a RecursionError if there is much of it).
        if not fewer or len(fewer) == len(brackets):
            return False
        brackets = fewer
    return True


def _check_surrogates(value: object) -> None:
    """Raises UnicodeEncodeError if a string in value cannot be encoded."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for item in value:
            _check_surrogates(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode()
            _check_surrogates(item)


def _explain(text: str, error: Exception) -> JSONError:
    """The JSONError for a text that could not be read: whichever is first, a syntax error or something refused."""
    if text.startswith("\ufeff"):
        return JSONError("byte order mark before the value", 0, text)
    # Before Python 3.12 the scanner cannot make its own error, and ends in a SystemError, until this is imported.
    import json.decoder  # noqa: F401

    if isinstance(error, SystemError):
        try:
            _scan(text, len(text) - len(text.lstrip(WHITESPACE)))
        except (StopIteration, ValueError, RecursionError) as found:
            error = found
    message, offset = "not valid JSON", len(text)
    if isinstance(error, StopIteration):
        message, offset = "a value is missing", error.value
    elif isinstance(error, RecursionError):
        message = f"nested deeper than {MAX_DEPTH} levels"
    elif isinstance(error, UnicodeEncodeError):
        message, offset = "half of a surrogate pair", error.start if error.object is text else len(text)
    elif hasattr(error, "pos"):  # json.JSONDecodeError, which must not be imported to be named
        message, offset = error.msg[:1].lower() + error.msg[1:], error.pos  # type: ignore[attr-defined]
    refused = _first_refusal(text, offset)
    return refused or JSONError(message, min(offset, len(text)), text)


_SPACES = frozenset(WHITESPACE)


def _first_refusal(text: str, end: int) -> "JSONError | None":
    """The first thing before `end` that is JSON for others but refused here; None if there is none.

    Slow and only for the message: the scanner knows that there is something, not where.
    """
    import re

    next_token = re.compile(r'["\[\]{}NI0-9-]').search
    keys: list[set[str] | None] = []  # for each open bracket: the keys so far, None for an array
    containers = index = 0
    while token := next_token(text, index, end):
        start, character = token.start(), token[0]
        index = start + 1
        if character == '"':
            try:
                string, index = scanstring(text, index, True)
                string.encode()
            except UnicodeEncodeError:
                return JSONError("half of a surrogate pair", start, text)
            except ValueError:
                return None
            while text[index : index + 1] in _SPACES:
                index += 1
            if keys and keys[-1] is not None and text.startswith(":", index):
                if string in keys[-1]:
                    return JSONError(f"duplicate key {dumps(string)}", start, text)
                keys[-1].add(string)
        elif character in "[{":
            keys.append(set() if character == "{" else None)
            containers += 1
            if len(keys) > MAX_DEPTH:
                return JSONError(f"nested deeper than {MAX_DEPTH} levels", start, text)
            if containers > MAX_CONTAINERS:
                return JSONError(f"more than {MAX_CONTAINERS} arrays and objects", start, text)
        elif character in "]}":
            if keys:
                keys.pop()
        elif text.startswith(("NaN", "Infinity", "-Infinity"), start):
            return JSONError("NaN and infinities are not JSON", start, text)
        elif character in "-0123456789":
            while index < len(text) and text[index] in "0123456789+-.eE":
                index += 1
            try:
                _float(text[start:index])
                int(text[start:index] if text[start:index].lstrip("-").isdigit() else "0")
            except ValueError:
                return JSONError("number out of range", start, text)
    return None


def _not_serialisable(value: object) -> object:
    raise JSONError(f"{type(value).__name__} has no JSON form")


_encode = make_encoder and make_encoder(None, _not_serialisable, encode_basestring, None, ":", ",", False, False, False)


def dumps(value: object, indent: "bool | str" = False) -> str:
    """The JSON text of a value: on one line, or with one member a line and `indent` (True: two spaces) a level.

    Text is kept as it is, not escaped to ASCII.  Raises JSONError for what JSON cannot say: other types, NaN,
    strings that are no Unicode (undecodable file names).
    """
    try:
        if indent or _encode is None:
            text = _pretty(value, "  " if indent is True else indent or "", "\n" if indent else "")
        else:
            text = "".join(_encode(value, 0))
        if not text.isascii():
            text.encode()
    except RecursionError:
        raise JSONError("nested too deeply to be written") from None
    except UnicodeEncodeError as error:
        raise JSONError(f"not a Unicode string: {error.object!r}") from None
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, JSONError) else JSONError(str(error)) from None
    return text


def _pretty(value: object, indent: str, newline: str) -> str:
    """One value, with its members indented.  newline: the line break and the indentation of the value itself."""
    inner = newline + indent
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or value is True or value is False:
        return _NAMES[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if value - value != 0.0:
            raise JSONError("NaN and infinities are not JSON")
        return float.__repr__(value)
    if isinstance(value, (list, tuple)):
        items = [_pretty(item, indent, inner) for item in value]
        opening, closing = "[", "]"
    elif isinstance(value, dict):
        colon = ": " if newline else ":"
        items = [_key(key) + colon + _pretty(item, indent, inner) for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        raise JSONError(f"{type(value).__name__} has no JSON form")
    return opening + inner + ("," + inner).join(items) + newline + closing if items else opening + closing


_NAMES = {None: "null", True: "true", False: "false"}


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise JSONError(f"the key of an object must be a string, not {type(key).__name__}")
    return encode_basestring(key)
