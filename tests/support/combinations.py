"""Covering arrays: few combinations in which every two values of different factors meet."""

import itertools
from collections.abc import Mapping, Sequence

Pair = tuple[tuple[str, str], tuple[str, str]]


def pairs_of(row: Mapping[str, str]) -> set[Pair]:
    """All pairs of (factor, value) in one combination."""
    return set(itertools.combinations(sorted(row.items()), 2))


def pairwise(factors: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Combinations of one value each, in which every pair of values occurs: greedy, and always the same."""
    names = sorted(factors)
    missing = {
        ((one, first), (other, second))
        for one, other in itertools.combinations(names, 2)
        for first in factors[one]
        for second in factors[other]
    }
    rows = []
    while missing:
        row = dict(min(missing))
        for name in names:
            if name not in row:
                row[name] = most_new(row, name, factors[name], missing)
        missing -= pairs_of(row)
        rows.append(row)
    return rows


def most_new(row: Mapping[str, str], name: str, values: Sequence[str], missing: set[Pair]) -> str:
    """The first value of those with which the combination has the most pairs that are missing yet."""
    counts = [len(pairs_of({**row, name: value}) & missing) for value in values]
    return values[counts.index(max(counts))]
