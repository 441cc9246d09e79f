"""The Test Anything Protocol, version 14 (testanything.org), written."""

from collections.abc import Iterator

from conformance.report.outcome import FAIL, SKIP, Outcome, Point, Run

INDENT = " " * 4  # of a subtest


def written(run: Run) -> str:
    """The run as TAP: the reasons of failures as YAML blocks, what a program has reported as a subtest."""
    lines = ["TAP version 14", f"1..{len(run.outcomes)}"]
    for number, one in enumerate(run.outcomes, 1):
        title = f"{one.number} {one.level} {one.section}: {one.title}"
        lines += [INDENT + line for line in subtest(one)]
        lines += point(number, Point(one.result, title, one.reason))
    return "\n".join(lines) + "\n"


def subtest(one: Outcome) -> Iterator[str]:
    """A program's own report."""
    if one.points:
        yield f"# Subtest: {escaped(one.title)}"
        for number, single in enumerate(one.points, 1):
            yield from point(number, single)
        yield f"1..{len(one.points)}"


def point(number: int, one: Point) -> Iterator[str]:
    """A test point, with its reason."""
    skipped = f" # SKIP {escaped(first_line(one.reason))}" if one.result == SKIP else ""
    yield f"{'not ' if one.result == FAIL else ''}ok {number} - {escaped(first_line(one.title))}{skipped}"
    if one.result == FAIL:
        yield "  ---"
        yield "  message: |"
        yield from (f"    {line}" for line in one.reason.splitlines())
        yield "  ..."


def first_line(text: str) -> str:
    """The text as far as it fits into a line."""
    return next(iter(text.splitlines()), "")


def escaped(text: str) -> str:
    """The text without what begins a directive."""
    return text.replace("\\", "\\\\").replace("#", r"\#")
