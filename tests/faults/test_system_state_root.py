"""A state root that takes nothing more: full, out of inodes, read-only.  Each write in turn is the first that fails."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc, Result
from tests.support.system_faults import FULL, Trial, bundle_of, remount, tmpfs

pytestmark = [pytest.mark.root, pytest.mark.timeout(600 if FULL else 60)]

AMPLE = "size=16m,nr_inodes=1000"
PAGE = os.sysconf("SC_PAGE_SIZE")
WRITING = ("create", "run", "start", "pause", "update", "delete", "exec")


@pytest.fixture
def root(pyrunc: Pyrunc) -> Iterator[Path]:
    """The state root, a tmpfs of its own."""
    with tmpfs(pyrunc.root, AMPLE) as folder:
        yield folder
        remount(folder, f"rw,{AMPLE}")
        assert not pyrunc.delete_all()


def no_pages(root: Path, left: int) -> bool:
    """Leaves so many pages; False where the kernel cannot do that."""
    found = os.statvfs(root)
    used = found.f_blocks - found.f_bfree
    if used + left == 0:
        return False  # tmpfs takes 0 for "no limit"
    remount(root, f"size={(used + left) * PAGE}")
    return True


def no_inodes(root: Path, left: int) -> bool:
    """Leaves so many inodes."""
    found = os.statvfs(root)
    remount(root, f"nr_inodes={found.f_files - found.f_ffree + left}")
    return True


def prepare(trial: Trial, verb: str) -> list[str]:
    """The command, where it writes as much as it ever does: `pause` of a container that waits, a pid file."""
    pid_file = ["--pid-file", str(trial.pyrunc.root / ".pid")]
    if verb == "pause":
        trial.pyrunc.ok("create", "--bundle", trial.made, trial.id)
        return ["pause", trial.id]
    command = trial.prepare(verb)
    return [verb, *pid_file, *command[1:]] if verb in ("create", "run", "exec") else command


def pids_limit(trial: Trial) -> str:
    """The container's limit of processes, as the kernel has it."""
    files = [Path(folder, "pids.max") for folder in leaks.cgroups() if trial.id in folder]
    return next(file for file in files if file.exists()).read_text().strip()


def meet(trial: Trial, verb: str, fault: str, make: Callable[[], bool]) -> "Result | None":
    """One command, from its preparation to where nothing is left of it."""
    root = trial.pyrunc.root
    command = prepare(trial, verb)
    result = trial.meet(fault, *command) if make() else None
    if result and result.returncode and verb == "update" and pids_limit(trial) != "max":
        trial.wrong.append(f"{fault}: the limit has changed")
    remount(root, f"rw,{AMPLE}")
    trial.clean(fault)
    left = sorted(os.listdir(root))
    trial.wrong += [f"{fault}: left {name}" for name in left if name not in (".pid", ".seccomp")]
    for name in left:
        (shutil.rmtree if name == ".seccomp" else os.unlink)(root / name)
    return result


@pytest.mark.parametrize("lack", [no_pages, no_inodes])
@pytest.mark.parametrize("verb", WRITING if FULL else ("create", "update"))
def test_full(verb: str, lack: Callable[[Path, int], bool], bundle: BundleFactory, pyrunc: Pyrunc, root: Path) -> None:
    """From no room at all, page by page or inode by inode, to where there is enough."""
    trial = Trial(pyrunc, bundle_of("rich", verb, bundle))
    for left in range(30):
        fault = f"{verb} with {left} left ({lack.__name__})"
        result = meet(trial, verb, fault, lambda left=left: lack(root, left))
        if result is None:
            continue
        if result.returncode == 0:
            break
        if "no space left on device" not in result.stderr:
            trial.wrong.append(f"{fault}: another reason: {result}")
    else:
        pytest.fail("never works")
    assert trial.failed or verb in ("start", "delete", "exec", "pause")
    trial.end()


@pytest.mark.parametrize("verb", (*WRITING, "kill", "state") if FULL else ("create", "start", "delete"))
def test_read_only(verb: str, bundle: BundleFactory, pyrunc: Pyrunc, root: Path) -> None:
    """What must write says so; what only looks works."""
    trial = Trial(pyrunc, bundle_of("rich", verb, bundle))

    def make() -> bool:
        remount(root, "ro")
        return True

    result = meet(trial, verb, f"{verb}, read-only", make)
    assert result is not None
    if verb in ("kill", "state"):
        assert result.returncode == 0
    else:
        assert "read-only file system" in result.stderr
    trial.end()
