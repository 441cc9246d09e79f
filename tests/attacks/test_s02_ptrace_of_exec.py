"""S2 (CVE-2016-9962): a process of the container looks into the one that is being brought in by exec.

The hostile program stops what appears, so that it has all the time in the world, and is allowed to trace
(CAP_SYS_PTRACE): what it does not find is not there.
"""

import shutil
import time
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.weakened import Change

pytestmark = pytest.mark.root

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


def found(
    attacked: Attacked, bundle: BundleFactory, snoop: Path, seconds: float, capabilities: list[str], until: str
) -> set[str]:
    """What the program has seen while the host runs exec for some seconds; a weak copy gets more time, `until` then."""
    made = bundle(["/bin/snoop", "look"])
    shutil.copy(snoop, made.rootfs / "bin/snoop")
    sets = made.config["process"]["capabilities"]
    for kind in ("bounding", "effective", "permitted"):
        sets[kind] = capabilities
    made.save()
    container_id, result = attacked.create(made)
    attacked.start(container_id)
    end = time.monotonic() + (PATIENCE if attacked.weak else seconds)
    while time.monotonic() < end and not (attacked.weak and until in result.stdout):
        attacked("exec", container_id, "/bin/true")
    words = set(result.stdout.splitlines())
    assert "ready" in words
    if "seen" not in words:
        pytest.skip("the attack has missed them all")
    return words


@attack("S2", weak={"keeps procfs": (KEEPS_PROCFS,)})
def test_nothing_of_the_host(bundle: BundleFactory, attacked: Attacked, snoop: Path, race_seconds: float) -> None:
    """Who may trace sees the helper's executable by name (a clone that cannot be written to), no descriptor of a
    directory, and no other root."""
    words = found(attacked, bundle, snoop, race_seconds, ["CAP_SYS_PTRACE", "CAP_KILL"], until="directory 4 /proc")
    broken_if([word for word in words if word.startswith(("directory", "root"))], "seen in a process of exec")


@attack("S2", weak={"dumpable": DUMPABLE})
def test_nothing_at_all(bundle: BundleFactory, attacked: Attacked, snoop: Path, race_seconds: float) -> None:
    """Who may not trace, but is the same user with the same capabilities, does not even see the executable's name."""
    words = found(attacked, bundle, snoop, race_seconds, ["CAP_KILL"], until="exe")
    broken_if(words - {"ready", "seen"}, "seen in a process of exec")
