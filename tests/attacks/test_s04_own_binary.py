"""S4 (CVE-2019-5736): the container overwrites what the host executes.

The hostile program keeps a handle of the executable of each process that exec brings in, ends the process, and opens
the handle for writing until that works.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.canary import code_of
from tests.support.runtime import Pyrunc
from tests.support.weakened import CHECKOUT, Change

pytestmark = pytest.mark.root

CLONED = "    try:\n        fd = syscalls.open_tree(syscalls.AT_FDCWD, HELPER_PATH, OPEN_TREE_CLONE)\n"
PLAIN: Change = (
    "pyrunc/launch.py",
    CLONED,
    "    return posix.open(HELPER_PATH, posix.O_PATH | posix.O_CLOEXEC)\n" + CLONED,
)
SEALED: Change = ("pyrunc/launch.py", CLONED, "    return sealed_copy()\n" + CLONED)


def written(pyrunc: Pyrunc, bundle: BundleFactory, snoop: Path, package: Path, seconds: float = 1.5) -> "list[str]":
    """The files of the host that have changed after execs of all kinds into a hostile container."""
    before = code_of(package)
    made = bundle(["/bin/snoop", "overwrite"])
    shutil.copy(snoop, made.rootfs / "bin/snoop")
    (made.rootfs / "bin/loop").symlink_to("/proc/self/exe")
    (made.rootfs / "bin/script").write_text("#!/proc/self/exe\n")
    (made.rootfs / "bin/script").chmod(0o755)
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = ["CAP_SYS_PTRACE", "CAP_KILL", "CAP_DAC_OVERRIDE"]
    made.save()
    container_id, result = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    end = time.monotonic() + seconds
    while time.monotonic() < end and "wrote exe" not in result.stdout:
        for program in ("/bin/true", "/bin/loop", "/bin/script", "/proc/self/exe"):
            pyrunc("exec", container_id, program)
    assert "seen" in result.stdout, "the attack has missed them all"
    after = code_of(package)
    return [Path(path).name for path in before if after[path] != before[path]]


def test_exec(bundle: BundleFactory, pyrunc: Pyrunc, snoop: Path) -> None:
    assert written(pyrunc, bundle, snoop, CHECKOUT / "pyrunc") == []


def test_exec_of_a_sealed_copy(bundle: BundleFactory, weak: Callable[..., Pyrunc], snoop: Path) -> None:
    """Where mounts cannot be cloned."""
    pyrunc = weak(SEALED)
    assert written(pyrunc, bundle, snoop, pyrunc.command.parent / "pyrunc") == []


def test_exec_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], snoop: Path) -> None:
    pyrunc = weak(PLAIN)
    assert written(pyrunc, bundle, snoop, pyrunc.command.parent / "pyrunc", seconds=10) == ["pyrunc-init"]


@pytest.mark.parametrize("verb", ["run", "create"])
@pytest.mark.parametrize("program", ["/bin/script", "/bin/loop", "/proc/self/exe"])
def test_entry_point(program: str, verb: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The first process is the helper itself once more, in the container: it finds nobody to talk to and ends.

    The image's loader and libraries, which could be hostile, are never asked for: the helper has none.
    """
    made = bundle([program])
    (made.rootfs / "bin/loop").symlink_to("/proc/self/exe")
    (made.rootfs / "bin/script").write_text("#!/proc/self/exe\n")
    (made.rootfs / "bin/script").chmod(0o755)
    before = code_of(CHECKOUT / "pyrunc")
    if verb == "run":
        assert pyrunc.run(made).returncode != 0
    else:
        container_id, _ = pyrunc.create(made)
        pyrunc("start", container_id)
        pyrunc.wait_status(container_id, "stopped")
    assert code_of(CHECKOUT / "pyrunc") == before
