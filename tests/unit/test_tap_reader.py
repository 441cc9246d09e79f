"""The Test Anything Protocol as programs print it."""

import json

import pytest

from conformance.report import tap, tap_reader
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome, Point, Run

LATER = "todo".upper()
INNER = "TAP version 13\nok 1 - inner\nnot ok 2 - other\n1..2\n"


def as_block(**values: str) -> str:
    """A YAML block as the validation programs write it: JSON between the marks."""
    lines = json.dumps(values, indent=2).splitlines()
    return "\n".join(["  ---", *(f"  {line}" for line in lines), "  ...", ""])


@pytest.mark.parametrize(
    ("line", "result", "title", "reason"),
    [
        ("ok 1 - a title", PASS, "a title", ""),
        ("ok", PASS, "", ""),
        ("ok a title without a number", PASS, "a title without a number", ""),
        ("not ok 7 - a title", FAIL, "a title", ""),
        ("ok 3 # SKIP linux.gidMappings not set", SKIP, "linux.gidMappings not set", "linux.gidMappings not set"),
        ("ok 3 - a title # skip of no use", SKIP, "a title", "of no use"),
        (f"not ok 3 - a title # {LATER} one day", SKIP, "a title", "one day"),
        (f"ok 3 - a title # {LATER} one day", PASS, "a title", ""),
        (r"ok 4 - the sign \# in a title", PASS, "the sign # in a title", ""),
        (r"ok 5 - no directive \# SKIP", PASS, "no directive # SKIP", ""),
    ],
)
def test_points(line: str, result: str, title: str, reason: str) -> None:
    assert tap_reader.read(line + "\n1..1\n").points == [Point(result, title, reason)]


@pytest.mark.parametrize("line", ["okay", "nothing", "    ok 1 - of a subtest", "# ok", "not okay"])
def test_other_lines_are_no_points(line: str) -> None:
    assert tap_reader.read(line).points == []


@pytest.mark.parametrize(
    "text", ["1..2\nok 1\nok 2\n", "TAP version 13\nok 1\nok 2\n1..2\n", "1..0 # SKIP none here\n"]
)
def test_a_plan_that_holds(text: str) -> None:
    assert tap_reader.read(text).errors == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ok 1\n", "the report ends without a plan"),
        ("1..3\nok 1\nok 2\n", "3 points were planned, 2 are there"),
        ("ok 1\nok 2\n1..1\n", "1 points were planned, 2 are there"),
        ("1..2\nok 1\nBail out! no more disk\n", "Bail out! no more disk"),
        ("1..0\n" + as_block(error="it could not begin"), "it could not begin"),
        ("1..0\n" + as_block(stdout="ok 1\n"), "the report ends without a plan"),
    ],
)
def test_what_is_wrong_with_a_report(text: str, error: str) -> None:
    assert tap_reader.read(text).errors == [error]


def test_a_plan_of_none_says_why() -> None:
    found = tap_reader.read("1..0 # SKIP no such cgroup\n")
    assert (found.planned, found.why) == (0, "no such cgroup")


@pytest.mark.parametrize("before", [True, False])
def test_a_plan_of_none_with_a_report_in_a_block(before: bool) -> None:
    parts = ["1..0\n", as_block(stdout=INNER, stderr="")]
    found = tap_reader.read("TAP version 13\n" + "".join(parts if before else reversed(parts)))
    assert [(one.result, one.title) for one in found.points] == [(PASS, "inner"), (FAIL, "other")]
    assert found.errors == []


def test_a_block_in_real_yaml() -> None:
    text = "  ---\n  stdout: |\n    TAP version 13\n    not ok 1 - inner\n    1..1\n  ...\n1..0\n"
    assert [one.title for one in tap_reader.read(text).points] == ["inner"]


def test_a_block_tells_of_the_point_before_it() -> None:
    block = as_block(reference="a link", error="exit status 1", stderr="boom\n", expected="a", actual="b")
    found = tap_reader.read(f"not ok 1 - first\n{block}ok 2 - second\n{block}1..2\n")
    assert [one.reason for one in found.points] == ["exit status 1\nboom\nexpected: a\nactual: b", ""]


def test_a_block_with_output_tells_of_the_point_after_it() -> None:
    found = tap_reader.read(f"not ok 1 - first\n{as_block(stdout='', stderr='boom')}not ok 2 - second\n1..2\n")
    assert [one.reason for one in found.points] == ["", "boom"]


@pytest.mark.parametrize("block", ["  ---\n  {[\n  ...\n", "  ---\n  a word\n  ...\n", "  ---\n  never closed\n"])
def test_a_block_that_is_none(block: str) -> None:
    found = tap_reader.read(f"1..1\nnot ok 1 - first\n{block}")
    assert [(one.title, bool(one.reason)) for one in found.points] == [("first", True)]


def test_what_is_written_can_be_read() -> None:
    points = [Point(PASS, "a # sign"), Point(FAIL, "second", "two\nlines"), Point(SKIP, "third", "no # use")]
    outcomes = [
        Outcome(1, "MUST", "config.md#root", "a sentence", PASS),
        Outcome(2, "MUST", "config.md#root", "another", FAIL, "why\n  it failed"),
        Outcome(1, "upstream validation", "a.t", "a", FAIL, "1 of 3 points failed", 1.0, points),
    ]
    text = tap.written(Run("/bin/true", "true 1", "Linux", outcomes))
    found = tap_reader.read(text)
    assert found.errors == []
    assert [(one.result, one.reason) for one in found.points] == [(one.result, one.reason) for one in outcomes]
    subtest = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    assert [(one.result, one.title) for one in tap_reader.read(subtest).points] == [
        (one.result, one.title) for one in points
    ]
