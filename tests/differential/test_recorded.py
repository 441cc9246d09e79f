"""The configurations that engines recorded, under pyrunc, runc and crun: what differs is in the table."""

from collections.abc import Callable

import pytest

from tests.differential import compare
from tests.differential.recorded import recorded
from tests.differential.world import World
from tests.support import corpus
from tests.support.namespaces import NamespaceHolder

pytestmark = pytest.mark.root


@pytest.mark.parametrize("name", corpus.names())
def test_recorded(name: str, world: World, holder: Callable[..., NamespaceHolder]) -> None:
    compare.check(recorded(name, holder), world)
