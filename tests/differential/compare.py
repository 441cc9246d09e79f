"""Runs of a case beside each other, and what of their differences is known."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.differential.case import Case
from tests.differential.known import Known
from tests.differential.observe import Facts, Observation, observe
from tests.differential.sequences import Sequence, follow
from tests.differential.table import TABLE
from tests.differential.world import World

NOTHING = "(nothing)"


class Difference(NamedTuple):
    """A fact that is not the same."""

    peer: str
    fact: str
    ours: Any
    theirs: Any

    def __str__(self) -> str:
        return f"{self.fact}: pyrunc {self.ours!r}, {self.peer} {self.theirs!r}"


def differences(peer: str, ours: Facts, theirs: Facts) -> Iterator[Difference]:
    """All facts that differ.  When only one of the two works there is just that to say."""
    keys = ["outcome"] if ours.get("outcome") != theirs.get("outcome") else sorted({**ours, **theirs})
    for key in keys:
        one, other = ours.get(key, NOTHING), theirs.get(key, NOTHING)
        if one != other:
            yield Difference(peer, key, one, other)


def explains(known: Known, case: Case, difference: Difference) -> bool:
    """Whether an entry of the table is about this difference."""
    return (
        difference.peer in known.peers
        and (not known.marks or bool(set(known.marks) & case.marks))
        and any(re.fullmatch(pattern, difference.fact) for pattern in known.facts)
        and (known.when is None or known.when(difference.ours, difference.theirs))
    )


def unknown(
    case: Case, peer: str, ours: Observation, theirs: Observation, used: "set[str] | None" = None
) -> list[Difference]:
    """The differences that no entry of the table explains; the names of those that do are added to `used`."""
    found = []
    for difference in differences(peer, ours.facts, theirs.facts):
        entry = next((known for known in TABLE if explains(known, case, difference)), None)
        if entry is None:
            found.append(difference)
        elif used is not None:
            used.add(entry.name)
    return found


def check(case: Case, world: World) -> None:
    """Runs a case under every runtime at once; fails for differences that the table does not have."""
    place = world.folder / case.name
    place.mkdir()
    runtimes = [world.ours, *world.peers.values()]
    ours, *others = world.threads.map(lambda runtime: observe(case, runtime, place, world), runtimes)
    place.rmdir()
    world.compared.add(case.name)
    report = []
    for peer, theirs in zip(world.peers, others, strict=True):
        if found := unknown(case, peer, ours, theirs, world.explained):
            report += [*map(str, found), f"pyrunc: {ours.messages.strip()}", f"{peer}: {theirs.messages.strip()}"]
    assert not report, f"{case.name} ({' '.join(sorted(case.marks))}):\n" + "\n".join(report)
    assert case.says in ours.messages
    if case.says:
        assert not ours.works


def check_sequence(sequence: Sequence, world: World) -> None:
    """The same for a sequence of commands, with runc: crun has statuses and words of its own."""
    runtimes = [world.ours, *(runtime for name, runtime in world.peers.items() if name == "runc")]
    made = [
        Observation(facts) for facts in world.threads.map(lambda runtime: follow(sequence, runtime, world), runtimes)
    ]
    world.compared.add(sequence.name)
    case = Case(sequence.name, {}, marks={"sequence"})
    found = [
        difference for theirs in made[1:] for difference in unknown(case, "runc", made[0], theirs, world.explained)
    ]
    assert not found, "\n".join(map(str, found))
