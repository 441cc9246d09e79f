"""What is known of differences: an entry of the table, and the whole table.  docs/differences.md is made of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

BOTH = ("runc", "crun")


class Known(NamedTuple):
    """One difference, and why it is there.

    name:         unique; peers: from whom pyrunc differs
    facts:        regular expressions of the facts that differ
    ours, theirs: for people: what each does;  why: the reason, and whose side the specification is on
    marks:        the entry is only about cases that have one of these
    when:         only about values for which it holds (pyrunc's, the peer's)
    sometimes:    it does not show in every run: the peer has a race, or other hosts have it only
    """

    name: str
    peers: tuple[str, ...]
    facts: tuple[str, ...]
    ours: str
    theirs: str
    why: str
    marks: tuple[str, ...] = ()
    when: "Callable[[Any, Any], bool] | None" = None
    sometimes: bool = False


def words(*these: str) -> "Callable[[Any, Any], bool]":
    """A condition: every word of the two values that differ is one of these."""

    def hold(ours: Any, theirs: Any) -> bool:
        return set(str(ours).split()) ^ set(str(theirs).split()) <= set(these)

    return hold
