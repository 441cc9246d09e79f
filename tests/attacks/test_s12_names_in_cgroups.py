"""S12 (GHSA-5g49-rx9x-qfc6): names from the configuration and the command line that lead out of the cgroup."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

ANYWHERE: tuple[Change, ...] = (
    (
        "pyrunc/cgroups/placement.py",
        '    if target != base and not target.startswith(base + "/"):\n',
        "    if not target:\n",
    ),
)
NAMES = ("../memory.max", "a/b", "", "\n", "memory.max\n", "..", ".", "/etc/passwd", "x\0y", "../../../tmp/x")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(name: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    resources: list[dict[str, Any]] = [
        {"unified": {name: "1"}},
        {"hugepageLimits": [{"pageSize": f"2MB/{name}" if name == "a/b" else name, "limit": 1}]},
        {"rdma": {f"{name} mlx5": {"hcaHandles": 1}}},
        {"network": {"priorities": [{"name": f"{name}\nlo", "priority": 1}]}},
    ]
    for entry in resources:
        made = bundle("echo ran")
        made.config["linux"]["resources"] = entry
        result = pyrunc.run(made.save())
        assert result.returncode == 1, entry
        assert "Traceback" not in result.stderr
        assert result.stdout == ""


@pytest.fixture
def neighbour() -> Iterator[Path]:
    """A cgroup of somebody else's, beside the container's, in the hierarchy of pids."""
    path = Path("/sys/fs/cgroup/pids") / f"{leaks.prefix()}neighbour"
    path.mkdir()
    yield path
    path.rmdir()


def entered(pyrunc: Pyrunc, bundle: BundleFactory, neighbour: Path) -> bool:
    """Whether an exec can be put there."""
    container_id, _ = pyrunc.create(bundle("exit 0"))
    result = pyrunc("exec", "--cgroup", f"pids:../{neighbour.name}", container_id, "cat", "/proc/self/cgroup")
    assert result.returncode == 0 or "is not a sub cgroup path" in result.stderr
    return neighbour.name in result.stdout


@pytest.mark.cgroup1
def test_exec(bundle: BundleFactory, pyrunc: Pyrunc, neighbour: Path) -> None:
    assert not entered(pyrunc, bundle, neighbour)


@pytest.mark.cgroup1
def test_exec_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], neighbour: Path) -> None:
    assert os.path.isdir(neighbour)
    assert entered(weak(*ANYWHERE), bundle, neighbour)
