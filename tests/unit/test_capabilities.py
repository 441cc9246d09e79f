"""process.capabilities as bit masks: what is granted, what is warned about."""

import re
from pathlib import Path

import pytest

from pyrunc.security.capabilities import ALL, NAMES, CapabilitySets, add_capabilities, mask, names_of, plan_capabilities

KILL, SETPCAP, SYS_RESOURCE = (1 << NAMES.index(f"CAP_{name}") for name in ("KILL", "SETPCAP", "SYS_RESOURCE"))
LAST = 40


def plan(last_cap: int = LAST, own: int = ALL, **sets: "list[str]") -> CapabilitySets:
    return plan_capabilities({"capabilities": sets}, last_cap, own, own)


def masks(sets: CapabilitySets) -> "tuple[int, ...]":
    return sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient


def test_the_numbers_are_the_kernel_headers() -> None:
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("no kernel headers")
    defined = dict(re.findall(r"^#define\s+(CAP_[A-Z_]+)\s+(\d+)$", header.read_text(), re.M))
    assert {name: str(number) for number, name in enumerate(NAMES)}.items() <= defined.items()


def test_mask_and_names_are_inverse() -> None:
    assert mask(NAMES) == (ALL, [])
    assert names_of(ALL) == list(NAMES)
    assert mask(["CAP_KILL", "CAP_KILL", "cap_kill", "KILL", "CAP_FOO", ""]) == (
        KILL,
        ["cap_kill", "KILL", "CAP_FOO", ""],
    )


@pytest.mark.parametrize("process", [{}, {"capabilities": {}}])
def test_without_capabilities_all_sets_are_empty(process: "dict[str, object]") -> None:
    sets = plan_capabilities(process, LAST, ALL, ALL)
    assert masks(sets) == (0, 0, 0, 0, 0)
    assert sets.warnings == []


def test_the_sets_are_independent() -> None:
    assert masks(plan(bounding=["CAP_KILL"])) == (KILL, 0, 0, 0, 0)
    assert masks(plan(permitted=["CAP_KILL"])) == (0, 0, KILL, 0, 0)
    # CVE-2016-8867: nothing gets into the ambient set without being asked for.
    full = {kind: ["CAP_KILL"] for kind in ("bounding", "effective", "permitted", "inheritable")}
    assert masks(plan(**full)) == (KILL, KILL, KILL, KILL, 0)
    assert masks(plan(**full, ambient=["CAP_KILL"])) == (KILL, KILL, KILL, KILL, KILL)


@pytest.mark.parametrize(
    ("sets", "kind"),
    [
        ({"effective": ["CAP_KILL"]}, "effective"),
        ({"inheritable": ["CAP_KILL"]}, "inheritable"),
    ],
)
def test_what_the_kernel_would_refuse_is_left_out_with_a_warning(sets: "dict[str, list[str]]", kind: str) -> None:
    planned = plan(**sets)
    assert getattr(planned, kind) == 0
    assert len(planned.warnings) == 1
    assert kind in planned.warnings[0]
    assert "[CAP_KILL]" in planned.warnings[0]


@pytest.mark.parametrize(
    "sets",
    [
        {"permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]},
        {"bounding": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]},
    ],
)
def test_an_ambient_one_that_cannot_be_raised_is_left_out_silently(sets: "dict[str, list[str]]") -> None:
    planned = plan(**sets)
    assert planned.ambient == 0
    assert planned.warnings == []


def test_what_the_runtime_lacks_is_left_out_with_a_warning() -> None:
    names = ["CAP_KILL", "CAP_SYS_RESOURCE"]
    planned = plan(own=ALL & ~SYS_RESOURCE, bounding=names, effective=names, permitted=names)
    assert masks(planned) == (KILL, KILL, KILL, 0, 0)
    assert [warning.split(" ")[2] for warning in planned.warnings] == ["bounding", "permitted", "effective"]
    assert all("[CAP_SYS_RESOURCE]" in warning for warning in planned.warnings)


def test_unknown_names_and_unsupported_numbers_make_one_warning() -> None:
    planned = plan(
        last_cap=38, bounding=["CAP_FOO", "CAP_BPF", "CAP_KILL"], permitted=["CAP_FOO", "cap_kill", "CAP_BPF"]
    )
    assert masks(planned) == (KILL, 0, 0, 0, 0)
    assert planned.warnings == ["ignoring unknown or unavailable capabilities: [CAP_FOO cap_kill CAP_BPF]"]


def test_inheritable_without_setpcap_must_be_permitted() -> None:
    process = {"capabilities": {"bounding": ["CAP_KILL"], "inheritable": ["CAP_KILL"]}}
    assert plan_capabilities(process, LAST, ALL & ~KILL, ALL).inheritable == KILL
    assert plan_capabilities(process, LAST, ALL & ~KILL & ~SETPCAP, ALL).inheritable == 0


def test_exec_cap_never_touches_the_inheritable_set() -> None:
    process = {"args": ["x"], "capabilities": {"bounding": ["CAP_KILL"], "ambient": ["CAP_KILL"]}}
    added = add_capabilities(process, ["CAP_NET_RAW", "CAP_KILL"])
    assert added["args"] == ["x"]
    assert added["capabilities"] == {
        "bounding": ["CAP_KILL", "CAP_NET_RAW"],
        "effective": ["CAP_NET_RAW", "CAP_KILL"],
        "permitted": ["CAP_NET_RAW", "CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }
    assert process["capabilities"] == {"bounding": ["CAP_KILL"], "ambient": ["CAP_KILL"]}


def test_exec_cap_is_ambient_only_where_inheritable_ones_are() -> None:
    added = add_capabilities({"capabilities": {"inheritable": ["CAP_KILL"]}}, ["CAP_NET_RAW"])
    assert added["capabilities"]["ambient"] == ["CAP_NET_RAW"]
    assert added["capabilities"]["inheritable"] == ["CAP_KILL"]
    assert "ambient" not in add_capabilities({}, ["CAP_NET_RAW"])["capabilities"]
