"""Wrong and doubtful configurations: who refuses them, with which meaning for engines; what differs is in the table."""

import pytest

from tests.differential import compare, invalid, invalid_linux
from tests.differential.case import Case
from tests.differential.world import World

pytestmark = pytest.mark.root

CASES = [
    *invalid.PROCESS,
    *invalid.TOP,
    *invalid_linux.MOUNTS,
    *invalid_linux.NAMESPACES,
    *invalid_linux.DEVICES,
    *invalid_linux.OTHER,
    *invalid_linux.CGROUPS,
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refused(case: Case, world: World) -> None:
    compare.check(case, world)
