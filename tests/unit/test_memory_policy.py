"""linux.memoryPolicy in the kernel's numbers."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc.errors import ConfigError
from pyrunc.memory_policy import FLAGS, MAX_NODES, MODES, plan_memory_policy
from pyrunc.process import plan_process
from pyrunc.setup import bit_mask

HEADER = Path("/usr/include/linux/mempolicy.h")
# The order of the enum in linux/mempolicy.h.
ORDER = "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY WEIGHTED_INTERLEAVE".split()


def test_modes_are_those_of_the_kernel() -> None:
    assert {f"MPOL_{name}": number for number, name in enumerate(ORDER)} == MODES


@pytest.mark.skipif(not HEADER.exists(), reason="the kernel's headers are not installed")
def test_numbers_are_those_of_the_header() -> None:
    """The header of an older kernel knows fewer."""
    text = HEADER.read_text()
    shifts = {name: 1 << int(shift) for name, shift in re.findall(r"(MPOL_F_\w+)\s+\(1 << (1[3-5])\)", text)}
    assert {name: FLAGS[name] for name in shifts} == shifts
    assert {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"} <= set(shifts)
    body = re.sub(r"/\*.*?\*/", "", text[text.index("enum {") : text.index("MPOL_MAX")], flags=re.S)
    names = re.findall(r"MPOL_\w+", body)
    assert names == [f"MPOL_{name}" for name in ORDER[: len(names)]]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (None, []),
        ("", []),
        ("0", [0]),
        ("0-3,5", [0, 1, 2, 3, 5]),
        ("5, 1-2,1", [1, 2, 5]),
        ("1023-1025", [1023, 1024, 1025]),
        (str(MAX_NODES - 1), [MAX_NODES - 1]),
    ],
)
def test_nodes(nodes: "str | None", expected: "list[int]") -> None:
    assert plan_memory_policy({"mode": "MPOL_BIND", "nodes": nodes}) == (2, expected)


def test_flags_are_part_of_the_mode() -> None:
    policy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING"]}
    assert plan_memory_policy(policy) == (2 | 1 << 15 | 1 << 13, [0])


@pytest.mark.parametrize("nodes", [str(MAX_NODES), "0-999999999", "x", "3-1", "-1", "1,", "٣"])
def test_bad_nodes(nodes: str) -> None:
    with pytest.raises(ConfigError, match=r"linux\.memoryPolicy\.nodes: must be a list like"):
        plan_process({"args": ["x"], "cwd": "/"}, {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": nodes}})


@pytest.mark.parametrize("numbers", [[], [0], [63], [64], [0, 1, 63, 64, 200]])
def test_mask(numbers: "list[int]") -> None:
    mask = bit_mask(numbers)
    assert len(mask) % 8 == 0
    assert len(mask) == (max(numbers) // 64 + 1) * 8 if numbers else not mask


@given(st.sets(st.integers(0, MAX_NODES - 1), min_size=1, max_size=30), st.booleans())
def test_lists_of_nodes(nodes: "set[int]", ranges: bool) -> None:
    """However a list is written: the nodes come back, and the kernel's mask has their bits."""
    text = ",".join(f"{node}-{node}" if ranges else str(node) for node in nodes)
    _, planned = plan_memory_policy({"mode": "MPOL_BIND", "nodes": text})
    assert planned == sorted(nodes)
    mask = int.from_bytes(bit_mask(planned), sys.byteorder)
    assert {bit for bit in range(mask.bit_length()) if mask >> bit & 1} == nodes
