"""Configurations made from numbers: each seed gives the same one for ever."""

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyrunc.spec.default import default_config
from tests.differential.case import Case

T = TypeVar("T")
SEEDS = range(1, 181)
ASKS = (
    "list:/dev list:/srv/files stat:/ stat:/tmp stat:/run stat:/srv stat:/srv/files stat:/made/by/runtime"
    " stat:/made/by stat:/new/dir stat:/new stat:/mnt stat:/mnt/a/b"
).split()


class Dice:
    """Choices that depend on the seed alone: of random.Random only random() is promised to stay as it is."""

    def __init__(self, seed: int) -> None:
        self._next = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self._next() < probability

    def one(self, values: Sequence[T]) -> T:
        """One of them."""
        return values[int(self._next() * len(values))]

    def some(self, values: Sequence[T], most: int) -> list[T]:
        """None to `most` of them, in an order of its own."""
        left, taken = list(values), []
        for _ in range(int(self._next() * (min(most, len(left)) + 1))):
            taken.append(left.pop(int(self._next() * len(left))))
        return taken


Feature = Callable[[Dice, Case], None]


def base(name: str) -> Case:
    """The default configuration, running the probe.  An old version number: crun refuses those it does not know."""
    config: dict[str, Any] = dict(default_config())
    config["ociVersion"] = "1.0.2"
    config["root"] = {}
    config["process"].update(args=["/bin/probe"], terminal=False)
    return Case(name, config)


def generate(seed: int) -> Case:
    """The case of a seed: the default configuration with three to eight features."""
    from tests.differential import features_filesystem, features_process, features_system

    dice = Dice(seed)
    case = base(f"seed-{seed}")
    every = [*features_process.FEATURES, *features_filesystem.FEATURES, *features_system.FEATURES]
    chosen: list[Feature] = dice.some(every, 8)
    for feature in chosen or every[:1]:
        feature(dice, case)
        case.marks.add(feature.__name__)
    case.asks += ASKS
    case.config["process"]["args"] += case.asks
    return case
