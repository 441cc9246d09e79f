"""Generated configurations under pyrunc, runc and crun: what differs is in the table of known differences."""

import pytest

from tests.differential import compare
from tests.differential.generator import SEEDS, generate
from tests.differential.world import World

pytestmark = pytest.mark.root


@pytest.mark.parametrize("seed", SEEDS)
def test_generated(seed: int, world: World) -> None:
    compare.check(generate(seed), world)
