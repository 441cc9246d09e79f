"""The Test Anything Protocol, versions 13 and 14, read: also from programs that hold to it loosely."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from conformance.report.outcome import FAIL, PASS, SKIP, Point

POINT = re.compile(r"(not )?ok\b\s*(?:\d+)?\s*(?:-\s*)?(.*)", re.DOTALL)
PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*(?:SKIP\b)?\s*(.*))?$", re.IGNORECASE)
DIRECTIVE = re.compile(r"(?:^|\s)(?<!\\)#\s*(SKIP|TOD[O])\S*\s*(.*)$", re.IGNORECASE)
BAIL = re.compile(r"Bail out!\s*(.*)", re.IGNORECASE)
# More than three blanks are those of a subtest, whose result its parent has.
BLOCK = re.compile(r" {1,3}---\s*$")
# What a block says besides what was expected and what was there.
TOLD = ("error", "stderr", "message")


@dataclass
class Report:
    """What one stream says.

    points:  its test points and those of streams that its YAML blocks hold, in their order
    planned: how many points of its own were announced; None when that was not said
    counted: how many it has of its own
    why:     what stands beside the plan, for one of none
    bail:    why it was given up; None when it was not
    errors:  what is wrong with the whole, that of streams in its blocks included
    """

    points: list[Point] = field(default_factory=list)
    planned: "int | None" = None
    counted: int = 0
    why: str = ""
    bail: "str | None" = None
    errors: list[str] = field(default_factory=list)


def read(text: str) -> Report:
    """Reads a whole stream; what is no TAP in it is passed over."""
    found = Report()
    own: "Point | None" = None
    told = ""
    lines = iter(text.splitlines())
    for line in lines:
        if BLOCK.match(line):
            told = read_block(found, own, block(lines, line))
        elif match := POINT.match(line):
            own = point(bool(match[1]), match[2])
            own.reason = own.reason or (told if own.result == FAIL else "")
            told = ""
            found.points.append(own)
            found.counted += 1
        elif match := PLAN.match(line):
            found.planned, found.why = int(match[1]), match[2] or ""
        elif match := BAIL.match(line):
            found.bail = match[1]
    if found.bail is not None:
        found.errors.append(f"Bail out! {found.bail}".strip())
    elif found.planned is None and found.points:
        found.errors.append("the report ends without a plan")
    elif found.planned not in (None, found.counted):
        found.errors.append(f"{found.planned} points were planned, {found.counted} are there")
    return found


def point(failed: bool, text: str) -> Point:
    """A point by its title and directive: what is said to be done one day is no failure."""
    directive = DIRECTIVE.search(text)
    title = (text[: directive.start()] if directive else text).strip().replace(r"\#", "#")
    if directive and (failed or directive[1].upper() == "SKIP"):
        return Point(SKIP, title or directive[2].strip(), directive[2].strip() or directive[1].lower())
    return Point(FAIL if failed else PASS, title)


def block(lines: Iterator[str], first: str) -> str:
    """The lines of a YAML block up to its end, without the margin of its first line."""
    margin = len(first) - len(first.lstrip())
    inner = []
    for line in lines:
        if line.strip() == "...":
            break
        inner.append(line[margin:])
    return "\n".join(inner)


def read_block(found: Report, own: "Point | None", text: str) -> str:
    """Adds what a YAML block says: of the point before it, or, as a stream of its own in it, of others.

    A block with the output of a container stands before its point: what it says for that is returned.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = text
    values = content if isinstance(content, dict) else {"message": content}
    nested = [read(value) for value in values.values() if isinstance(value, str) and is_tap(value)]
    for one in nested:
        found.points += one.points
        found.errors += one.errors
    told = [str(values[key]).strip() for key in TOLD if values.get(key) and not is_tap(str(values[key]))]
    told += [f"{key}: {values[key]}" for key in ("expected", "actual") if key in values]
    if "stdout" in values:
        return "\n".join(told)
    if own is not None and own.result == FAIL:
        own.reason = "\n".join(filter(None, [own.reason, *told]))
    elif own is None and values.get("error"):
        found.errors.append(str(values["error"]).strip())
    return ""


def is_tap(text: str) -> bool:
    """Whether a text is a stream of its own."""
    return any(POINT.match(line) or line.startswith("TAP version") for line in text.splitlines())
