"""The arithmetic between v1's values and v2's files."""

import math

import pytest

from pyrunc.cgroups import convert
from pyrunc.errors import PyruncError


@pytest.mark.parametrize(
    ("shares", "weight"), [(1, 1), (2, 1), (3, 2), (100, 17), (512, 59), (1024, 100), (262144, 10000), (1 << 40, 10000)]
)
def test_cpu_weight(shares: int, weight: int) -> None:
    assert convert.cpu_weight(shares) == weight


def test_cpu_weight_is_the_formula() -> None:
    """runc's, written with the mathematical library: ceil(10 ** ((l*l + 125*l) / 612 - 7/34)), l = log2(shares)."""
    for shares in range(3, 262144, 7):
        logarithm = math.log2(shares)
        exponent = (logarithm * logarithm + 125 * logarithm) / 612.0 - 7.0 / 34.0
        assert convert.cpu_weight(shares) == math.ceil(math.pow(10, exponent)), shares


def test_cpu_weight_never_falls() -> None:
    weights = [convert.cpu_weight(shares) for shares in range(1, 5000)]
    assert weights == sorted(weights)


@pytest.mark.parametrize(
    ("limit", "swap", "expected"),
    [
        (0, 0, None),
        (100, 0, None),
        (-1, 0, -1),
        (100, -1, -1),
        (0, -1, -1),
        (-1, -1, -1),
        (100, 100, 0),
        (100, 250, 150),
    ],
)
def test_swap_max(limit: int, swap: int, expected: "int | None") -> None:
    assert convert.swap_max(limit, swap) == expected


@pytest.mark.parametrize(
    ("limit", "swap", "words"),
    [
        (0, 100, "unable to set swap limit without memory limit"),
        (-1, 100, "unable to set swap limit without memory limit"),
        (100, 50, "memory+swap limit should be >= memory limit"),
    ],
)
def test_swap_max_without_meaning(limit: int, swap: int, words: str) -> None:
    with pytest.raises(PyruncError) as caught:
        convert.swap_max(limit, swap)
    assert caught.value.reason == words
    assert caught.value.place == "linux.resources.memory.swap"


@pytest.mark.parametrize(
    ("quota", "period", "text"),
    [(50000, 100000, "50000 100000"), (50000, 0, "50000 100000"), (-1, 0, "max 100000"), (0, 5000, "max 5000")],
)
def test_cpu_max(quota: int, period: int, text: str) -> None:
    assert convert.cpu_max(quota, period) == text


@pytest.mark.parametrize(("weight", "expected"), [(10, 1), (100, 910), (500, 4950), (1000, 10000)])
def test_io_weight(weight: int, expected: int) -> None:
    assert convert.io_weight(weight) == expected


def test_words_for_no_limit() -> None:
    assert [convert.number(value) for value in (-1, 0, 5)] == ["max", "0", "5"]
    assert [convert.rate(value) for value in (0, 5)] == ["max", "5"]
