"""A part of `make differential`: some generated and recorded configurations under pyrunc and its peers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.differential import compare
from tests.differential.generator import generate
from tests.differential.recorded import recorded
from tests.differential.world import World
from tests.support.namespaces import NamespaceHolder

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def world(session_folder: Path, runtime: Path) -> Iterator[World]:
    """pyrunc and the peers that are installed."""
    made = World(session_folder, runtime)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(1, 18))
def test_generated(seed: int, world: World) -> None:
    compare.check(generate(seed), world)


@pytest.mark.parametrize(
    "name", ["docker-run-default.json", "podman-run-default.json", "containerd-cri-container.json"]
)
def test_recorded(name: str, world: World, holder: Callable[..., NamespaceHolder]) -> None:
    compare.check(recorded(name, holder), world)
