"""Sequences of commands under pyrunc and runc: statuses, phrases and output."""

import pytest

from tests.differential import compare
from tests.differential.sequences import SEQUENCES, Sequence
from tests.differential.world import World

pytestmark = pytest.mark.root


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.name)
def test_sequence(sequence: Sequence, world: World) -> None:
    compare.check_sequence(sequence, world)
