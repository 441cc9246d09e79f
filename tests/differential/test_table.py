"""The table of known differences: every entry is needed, and docs/differences.md says the same."""

import pytest

from tests.differential import document, generator, runtimes, test_refused
from tests.differential.sequences import SEQUENCES
from tests.differential.table import TABLE
from tests.differential.world import World
from tests.support import corpus


def test_names_are_unique() -> None:
    names = [entry.name for entry in TABLE]
    assert len(names) == len(set(names))


def test_the_page_has_the_table() -> None:
    assert document.PAGE.read_text() == document.page(), "run: python -m tests.differential.document"


@pytest.mark.root
def test_every_entry_is_needed(world: World) -> None:
    """Looked at when everything was compared, with both peers, on a host like the one that the table was made on."""
    whole = len(generator.SEEDS) + len(corpus.names()) + len(test_refused.CASES) + len(SEQUENCES)
    if len(world.compared) < whole or len(world.peers) < 2 or not runtimes.is_hybrid():
        pytest.skip(f"{len(world.compared)} of {whole} cases compared, with {len(world.peers)} peers; or other cgroups")
    assert {entry.name for entry in TABLE if not entry.sometimes} - world.explained == set()
