"""S12 (GHSA-5g49-rx9x-qfc6): names from the configuration and the command line that lead out of the cgroup."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks
from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
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


@attack("S12", inner="names that lead nowhere are refused before anything is made")
@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(name: str, bundle: BundleFactory, attacked: Attacked) -> None:
    resources: list[dict[str, Any]] = [
        {"unified": {name: "1"}},
        {"hugepageLimits": [{"pageSize": f"2MB/{name}" if name == "a/b" else name, "limit": 1}]},
        {"rdma": {f"{name} mlx5": {"hcaHandles": 1}}},
        {"network": {"priorities": [{"name": f"{name}\nlo", "priority": 1}]}},
    ]
    for entry in resources:
        made = bundle("echo ran")
        made.config["linux"]["resources"] = entry
        result = attacked.run(made.save())
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


@attack("S12", weak={"anywhere": ANYWHERE})
@pytest.mark.cgroup1
def test_exec(bundle: BundleFactory, attacked: Attacked, neighbour: Path) -> None:
    """An exec cannot be put there."""
    attacked.needs("exec", "--cgroup")
    container_id, _ = attacked.create(bundle("exit 0"))
    result = attacked("exec", "--cgroup", f"pids:../{neighbour.name}", container_id, "cat", "/proc/self/cgroup")
    broken_if(neighbour.name in result.stdout, "a process is put into a cgroup of somebody else's")
    if attacked.own:
        assert "is not a sub cgroup path" in result.stderr


def huge(name: str) -> dict[str, Any]:
    return {"hugepageLimits": [{"pageSize": name, "limit": 1 << 30}]}


def unified(name: str) -> dict[str, Any]:
    return {"unified": {name: "7"}}


@attack("S12")
@pytest.mark.cgroup1
@pytest.mark.parametrize("make", [huge, unified])
def test_limits(
    make: "Callable[[str], dict[str, Any]]", bundle: BundleFactory, attacked: Attacked, neighbour: Path
) -> None:
    """A limit's name cannot lead to the neighbour's files."""
    limit = neighbour / "pids.max"
    before = limit.read_text()
    for name in (f"../{neighbour.name}/pids.max", f"../../pids/{neighbour.name}/pids.max", "../pids.max"):
        made = bundle(("/bin/true",))
        made.config["linux"]["resources"] = make(name)
        attacked.run(made.save())
        broken_if(limit.read_text() != before, f"{name} is written to")
