"""Fixtures of several integration tests: an ordinary user, and containers whose mounts are changed while they run."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.live import SLEEP, Live, in_userns
from tests.support.ordinary_user import OrdinaryUser, given, ordinary_user
from tests.support.runtime import Pyrunc


@pytest.fixture(params=["plain", "userns"])
def live(request: pytest.FixtureRequest, bundle: BundleFactory, pyrunc: Pyrunc) -> Live:
    """A running container, without and with a user namespace."""
    made = bundle(SLEEP)
    return Live(pyrunc, in_userns(made) if request.param == "userns" else made)


@pytest.fixture
def source(folder: Path) -> Path:
    """A directory of the host with a file in it, and another mount below."""
    path = folder / "source"
    (path / "below").mkdir(parents=True)
    (path / "file").write_text("of the host\n")
    return path


@pytest.fixture
def mounted_below(source: Path) -> Iterator[Path]:
    """A tmpfs in the source directory, on the host."""
    path = source / "below"
    subprocess.run(["mount", "-t", "tmpfs", "below", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.fixture
def user(runtime: Path, folder: Path) -> Iterator[OrdinaryUser]:
    """The command as an ordinary user has it."""
    with ordinary_user(runtime, folder) as command:
        yield command


@pytest.fixture
def rootless(bundle: BundleFactory) -> Callable[..., Bundle]:
    """rootless(args) makes a bundle from the configuration that `spec --rootless` writes."""

    def make(*args: Any, ranges: bool = False, **options: Any) -> Bundle:
        return given(bundle(*args, rootless=True, **options), ranges=ranges)

    return make
