"""The world of the comparisons: made once a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.world import World


@pytest.fixture(scope="session")
def world(session_folder: Path, runtime: Path) -> Iterator[World]:
    """pyrunc and the peers that are installed."""
    made = World(session_folder, runtime)
    if not made.peers:
        made.close()
        pytest.skip("neither runc nor crun is installed")
    yield made
    made.close()
