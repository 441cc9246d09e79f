"""S2 (CVE-2016-9962): a process of the container looks into the one that is being brought in by exec.

The hostile program stops what appears, so that it has all the time in the world, and is allowed to trace
(CAP_SYS_PTRACE): what it does not find is not there.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

SECONDS = 2.0
PATIENCE = 20.0  # for an attack that must succeed, and does so in a second
KEEPS_PROCFS: Change = ("csrc/init_namespaces.c", "    if (among_others)\n        leave_host_proc();\n", "")
DUMPABLE: tuple[Change, ...] = (
    (
        "csrc/init.c",
        "    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)\n        _exit(1);\n",
        "",
    ),
    (
        "csrc/init.c",
        '    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)\n        fail(errno, "become non-dumpable", NULL);\n',
        "",
    ),
    (
        "csrc/init_process.c",
        "    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);\n    die_with_parent();\n    if (prctl(PR_SET_KEEPCAPS",
        "    die_with_parent();\n    if (prctl(PR_SET_KEEPCAPS",
    ),
)


def found(pyrunc: Pyrunc, bundle: BundleFactory, snoop: Path, capabilities: list[str], until: str = "") -> set[str]:
    """What the program has seen while the host runs exec for some seconds, or until it has seen `until`."""
    made = bundle(["/bin/snoop", "look"])
    shutil.copy(snoop, made.rootfs / "bin/snoop")
    sets = made.config["process"]["capabilities"]
    for kind in ("bounding", "effective", "permitted"):
        sets[kind] = capabilities
    made.save()
    container_id, result = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    end = time.monotonic() + (PATIENCE if until else SECONDS)
    while time.monotonic() < end and not (until and until in result.stdout):
        pyrunc("exec", container_id, "/bin/true")
    words = set(result.stdout.splitlines())
    assert {"ready", "seen"} <= words, "the attack has missed them all"
    return words


def test_nothing_of_the_host(bundle: BundleFactory, pyrunc: Pyrunc, snoop: Path) -> None:
    """Who may trace sees the helper's executable by name (a clone that cannot be written to), no descriptor of a
    directory, and no other root."""
    words = found(pyrunc, bundle, snoop, ["CAP_SYS_PTRACE", "CAP_KILL"])
    assert [word for word in words if word.startswith(("directory", "root"))] == []


def test_nothing_of_the_host_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], snoop: Path) -> None:
    words = found(weak(KEEPS_PROCFS), bundle, snoop, ["CAP_SYS_PTRACE", "CAP_KILL"], until="directory 4 /proc")
    assert "directory 4 /proc" in words


def test_nothing_at_all(bundle: BundleFactory, pyrunc: Pyrunc, snoop: Path) -> None:
    """Who may not trace, but is the same user with the same capabilities, does not even see the executable's name."""
    assert found(pyrunc, bundle, snoop, ["CAP_KILL"]) == {"ready", "seen"}


def test_nothing_at_all_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], snoop: Path) -> None:
    words = found(weak(*DUMPABLE), bundle, snoop, ["CAP_KILL"], until="exe")
    assert any(word.startswith("exe ") for word in words)
