"""Annotations org.systemd.property.NAME: properties of the container's unit by whoever wrote the annotations.

That may be somebody with fewer rights than who wrote the rest (CVE-2024-3154: one named a command that systemd ran on
the host), so only names of a list are taken.  Values are GVariant text, as runc has it; a time in seconds
(TimeoutStopSec) becomes systemd's in microseconds (TimeoutStopUSec).
"""

from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PREFIX = "org.systemd.property."

# name -> D-Bus signature: resource control, how the unit ends and is collected, and its place in an order.  Nothing
# that runs a program, starts or stops other units, or reaches outside the container's cgroup.
ALLOWED = {
    **dict.fromkeys(("After", "Before"), "as"),
    **dict.fromkeys(("AllowedCPUs", "AllowedMemoryNodes"), "ay"),
    **dict.fromkeys(("CPUAccounting", "IOAccounting", "IPAccounting", "MemoryAccounting", "TasksAccounting"), "b"),
    **dict.fromkeys(("CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "CPUWeight", "StartupCPUWeight"), "t"),
    **dict.fromkeys(("IOWeight", "StartupIOWeight", "TasksMax"), "t"),
    **dict.fromkeys(("MemoryMin", "MemoryLow", "MemoryHigh", "MemoryMax", "MemorySwapMax", "MemoryZSwapMax"), "t"),
    **dict.fromkeys(("ManagedOOMSwap", "ManagedOOMMemoryPressure", "ManagedOOMPreference", "OOMPolicy"), "s"),
    **dict.fromkeys(("RuntimeMaxUSec", "TimeoutStopUSec"), "t"),
    **dict.fromkeys(("CollectMode", "Description"), "s"),
    **dict.fromkeys(("DefaultDependencies", "SendSIGHUP", "SendSIGKILL"), "b"),
    "KillSignal": "i",
}
TYPE_NAMES = {
    "b": "boolean",
    "i": "int32",
    "t": "uint64",
    "s": "string",
    "as": "array of strings",
    "ay": "array of bytes",
}

# The type words of GVariant text, and the codes of an "@" annotation.
KEYWORDS = {
    "boolean": "b",
    "byte": "y",
    "int16": "n",
    "uint16": "q",
    "int32": "i",
    "uint32": "u",
    "int64": "x",
    "uint64": "t",
    "double": "d",
    "string": "s",
}
RANGES = {"y": (0, 255), "i": (-(1 << 31), (1 << 31) - 1), "t": (0, (1 << 64) - 1)}
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def annotated(annotations: "Mapping[str, str]") -> "dict[str, tuple[str, tuple[str, Any]]]":
    """name -> (place, (signature, value)) for the annotations that name properties.  Raises PyruncError."""
    found = {}
    for key, text in annotations.items():
        name = key[len(PREFIX) :]
        if not key.startswith(PREFIX):
            continue
        place = f"annotations[{key!r}]"
        in_seconds = name.endswith("Sec") and name[-4:-3].islower()
        if in_seconds:
            name = f"{name[:-3]}USec"
        if name not in ALLOWED:
            raise PyruncError(f"the unit property {name} is not one that an annotation may set", place=place)
        try:
            value = seconds(text) if in_seconds else Parser(text).whole(ALLOWED[name])
        except ValueError as error:
            raise PyruncError(f"{text!r}: {error}", place=place) from error
        found[name] = (place, (ALLOWED[name], value))
    return found


def seconds(text: str) -> int:
    """A number of any type, in seconds, as microseconds.  Raises ValueError."""
    parser = Parser(text)
    parser.type_word()
    at = parser.at
    word = parser.word()
    try:
        value = float(word.replace("_", "?"))
        microseconds = round(value * 1000000)
    except (ValueError, OverflowError):  # infinity and nan, too
        raise parser.wrong("a number of seconds", at) from None
    parser.end()
    if not 0 <= microseconds <= RANGES["t"][1]:
        raise parser.wrong("a time that systemd can count", at)
    return microseconds


class Parser:
    """Reads one value of a known type from GVariant text (the GLib manual, "GVariant Text Format").

    All methods raise ValueError with the position of what is wrong.
    """

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.skip()

    def whole(self, signature: str) -> "Any":
        """The value, which must be all that there is."""
        value = self.value(signature)
        self.end()
        return value

    def value(self, signature: str) -> "Any":
        """A value with that D-Bus signature; an integer without a type of its own takes it."""
        at = self.at
        named = self.type_word()
        if named and named != signature:
            raise self.wrong(TYPE_NAMES.get(signature, "byte"), at)
        if signature in ("as", "ay"):
            items = self.array(signature[1])
            return items if signature == "as" else bytes(items)
        if signature == "s":
            return self.string()
        at = self.at
        word = self.word()
        if signature == "b":
            if word not in ("true", "false"):
                raise self.wrong("true or false", at)
            return word == "true"
        try:
            number = int(word.replace("_", "?"), 0)
        except ValueError:
            raise self.wrong(f"a number ({TYPE_NAMES.get(signature, 'byte')})", at) from None
        lowest, highest = RANGES[signature]
        if not lowest <= number <= highest:
            raise self.wrong(f"a number from {lowest} to {highest}", at)
        return number

    def type_word(self) -> str:
        """Takes a type before a value ("uint64", "@as") and gives its code; "" when there is none."""
        start = self.at
        if self.text[start : start + 1] == "@":
            self.at += 1
            end = self.at
            while self.text[end : end + 1].isalpha() or self.text[end : end + 1] == "(":
                end += 1
            code, self.at = self.text[self.at : end], end
            self.skip()
            return code or "?"
        word = self.word()
        if word in KEYWORDS:
            return KEYWORDS[word]
        self.at = start
        return ""

    def array(self, item: str) -> "list[Any]":
        items: list[Any] = []
        self.expect("[")
        while self.text[self.at : self.at + 1] != "]":
            if items:
                self.expect(",")
            items.append(self.value(item))
        self.expect("]")
        return items

    def string(self) -> str:
        start, quote = self.at, self.text[self.at : self.at + 1]
        if quote not in ("'", '"'):
            raise self.wrong("a string in quotes", start)
        self.at += 1
        result = []
        while True:
            letter = self.text[self.at : self.at + 1]
            self.at += 1
            if not letter:
                raise self.wrong("the end of this string", start)
            if letter == quote:
                break
            result.append(self.escape() if letter == "\\" else letter)
        self.skip()
        value = "".join(result)
        if "\0" in value:
            raise self.wrong("a string without a NUL character", start)
        return value

    def escape(self) -> str:
        """What follows a backslash."""
        letter = self.text[self.at : self.at + 1]
        length = {"u": 4, "U": 8}.get(letter, 0)
        self.at += 1
        if not length:
            return ESCAPES.get(letter, letter)
        digits = self.text[self.at : self.at + length]
        self.at += length
        try:
            if len(digits) != length or not digits.isalnum():
                raise ValueError
            character = chr(int(digits, 16))
            character.encode()
        except (ValueError, OverflowError):
            raise self.wrong(f"{length} hexadecimal digits of a character", self.at - length) from None
        return character

    def word(self) -> str:
        """Takes letters, digits and signs."""
        end = self.at
        while end < len(self.text) and self.text[end] in WORD:
            end += 1
        word, self.at = self.text[self.at : end], end
        self.skip()
        return word

    def expect(self, sign: str) -> None:
        if self.text[self.at : self.at + 1] != sign:
            raise self.wrong(repr(sign), self.at)
        self.at += 1
        self.skip()

    def end(self) -> None:
        if self.at < len(self.text):
            raise self.wrong("the end", self.at)

    def skip(self) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t", "\n", "\r"):
            self.at += 1

    def wrong(self, wanted: str, at: int) -> ValueError:
        return ValueError(f"expected {wanted} at position {at + 1}")
