"""Lines of resctrl's schemata files: what is asked for, and whether a file says it."""

import pytest

from pyrunc.schemata import combined, difference, lines_about

FILE = "    MB:0= 20;1= 70\n    L3:0=ffff0;1=003ff\n"


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({}, []),
        ({"l3CacheSchema": "", "memBwSchema": ""}, []),
        ({"l3CacheSchema": "L3:0=f"}, ["L3:0=f"]),
        ({"memBwSchema": "MB:0=20"}, ["MB:0=20"]),
        ({"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20"}, ["L3:0=f", "MB:0=20"]),
        ({"l3CacheSchema": "L3:0=f\nMB:0=50\n", "memBwSchema": "MB:0=20"}, ["L3:0=f", "MB:0=20"]),
        ({"l3CacheSchema": "L3CODE:0=f\nL3DATA:0=f0\nMB:0=50"}, ["L3CODE:0=f", "L3DATA:0=f0", "MB:0=50"]),
    ],
)
def test_combined(settings: "dict[str, str]", lines: "list[str]") -> None:
    assert combined(settings) == lines


@pytest.mark.parametrize(
    "line",
    [
        "L3:0=ffff0;1=3ff",
        "L3:1=3ff;0=ffff0",
        "L3:0=FFFF0",
        "L3:00=0ffff0",
        " L3 : 0 = ffff0 ",
        "MB:0=20;1=70",
        "MB:0=11",
    ],
)
def test_agrees(line: str) -> None:
    """In another order, with other zeros, for some of the domains only; bandwidth is rounded up by the kernel."""
    assert difference([line], FILE, 10) == ""


@pytest.mark.parametrize("line", ["L3:0=ffff", "L3:2=f", "L2:0=f", "MB:0=21;1=70", "MB:0=2000", "L3:0=x", "nonsense"])
def test_differs(line: str) -> None:
    assert difference(["L3:0=ffff0", line], FILE, 10) == line


def test_a_value_that_is_no_number_can_agree() -> None:
    assert difference(["MB:0=max"], "MB:0=max\n") == ""


def test_lines_about() -> None:
    assert lines_about(["L3:0=f"], FILE) == ["L3:0=ffff0;1=003ff"]
    assert lines_about(["L2:0=f"], FILE) == []
