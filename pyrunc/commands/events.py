"""pyrunc events: what a container uses, once or again and again, and the news that it ran out of memory."""

from pyrunc.commands import write
from pyrunc.container import Container
from pyrunc.errors import PyruncError
from pyrunc.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation

# Seconds, by the units of Go's time.ParseDuration.
UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST = 2.0**63 / 1e9  # seconds of a Go duration


def run(invocation: "Invocation") -> int:
    """Prints events until the container ends, with --stats one.  Raises PyruncError."""
    from pyrunc.fastjson import dumps

    interval = parse_duration(invocation.options.text("interval") or "")
    if interval <= 0:
        raise PyruncError(
            "duration interval must be greater than 0", hint="--interval takes a duration like 500ms or 5s"
        )
    container = Container.load(invocation.root, invocation.arguments[0])
    if invocation.options.flag("stats"):
        write(dumps({"type": "stats", "id": container.id, "data": container.stats()}) + "\n")
        return 0
    for event in container.events(interval):
        write(dumps(event) + "\n")
    return 0


def parse_duration(text: str) -> float:
    """Seconds of a duration like "5s", "1m30s", "1.5h" or "-3ms".  Raises UsageError."""
    wrong = UsageError(f'invalid value "{text}" for flag -interval: parse error', "events")
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    if not rest:
        raise wrong
    seconds = 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("".join(UNITS)))]
        rest = rest[len(unit) :]
        if unit not in UNITS or number.count(".") > 1 or not number.replace(".", ""):
            raise wrong
        seconds += float(number) * UNITS[unit]
    if seconds >= LONGEST:
        raise wrong
    return sign * seconds
