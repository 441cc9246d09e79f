"""S4 (CVE-2019-5736): the container overwrites what the host executes.

The hostile program keeps a handle of the executable of each process that exec brings in, ends the process, and opens
the handle for writing until that works.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import code_of, digest
from tests.support.weakened import CHECKOUT, Change

pytestmark = pytest.mark.root

CLONED = "    try:\n        refuse_replaceable(posix.lstat(EXTENSION_PATH), EXTENSION_PATH)\n"
PLAIN: Change = (
    "pyrunc/launch.py",
    CLONED,
    "    return posix.open(HELPER_PATH, posix.O_PATH | posix.O_CLOEXEC)\n" + CLONED,
)
SEALED: Change = ("pyrunc/launch.py", CLONED, "    return sealed_copy()\n" + CLONED)


CAPABILITIES = ["CAP_SYS_PTRACE", "CAP_KILL", "CAP_DAC_OVERRIDE"]
LOADERS = ("lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1")


def own_code(attacked: Attacked, folder: Path) -> dict[str, str]:
    """The hashes of what executes when the runtime runs.  A foreign one is exchanged with a copy at the first look:
    nothing is gained by breaking the host's."""
    if attacked.own or attacked.weak:
        package = attacked.command.parent / "pyrunc" if attacked.weak else CHECKOUT / "pyrunc"
        return code_of(package)
    copy = folder / attacked.command.name
    if attacked.command != copy:
        shutil.copy(shutil.which(attacked.command) or attacked.command, copy)
        attacked.command = copy
    return {str(copy): digest(copy)}


def changed(attacked: Attacked, folder: Path, before: dict[str, str]) -> list[str]:
    """The files of the host that are not as they were."""
    after = own_code(attacked, folder)
    return [Path(path).name for path in before if after[path] != before[path]]


def hostile(bundle: BundleFactory, program: list[str], snoop: Path) -> Bundle:
    """A container with several names for the runtime's own executable."""
    made = bundle(program)
    shutil.copy(snoop, made.rootfs / "bin/snoop")
    (made.rootfs / "bin/loop").symlink_to("/proc/self/exe")
    (made.rootfs / "bin/script").write_text("#!/proc/self/exe\n")
    (made.rootfs / "bin/script").chmod(0o755)
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = CAPABILITIES
    return made.save()


def overwrite(attacked: Attacked, bundle: BundleFactory, snoop: Path, folder: Path, seconds: float) -> None:
    """Execs of all kinds into a container that is after the executable."""
    before = own_code(attacked, folder)
    container_id, result = attacked.create(hostile(bundle, ["/bin/snoop", "overwrite"], snoop))
    attacked.start(container_id)
    end = time.monotonic() + seconds
    while time.monotonic() < end and "wrote exe" not in result.stdout:
        for program in ("/bin/true", "/bin/loop", "/bin/script", "/proc/self/exe"):
            attacked("exec", container_id, program)
    broken_if(changed(attacked, folder, before), "written to by the container")
    if "seen" not in result.stdout:
        pytest.skip("the attack has missed them all")


@attack("S4", weak={"plain": (PLAIN,)})
def test_exec(bundle: BundleFactory, attacked: Attacked, snoop: Path, folder: Path, race_seconds: float) -> None:
    overwrite(attacked, bundle, snoop, folder, 10 if attacked.weak else race_seconds)


def test_exec_of_a_sealed_copy(bundle: BundleFactory, weak: Callable[..., Attacked], snoop: Path, folder: Path) -> None:
    """Where mounts cannot be cloned."""
    overwrite(weak(SEALED), bundle, snoop, folder, 1.5)


@attack("S4")
@pytest.mark.parametrize("verb", ["run", "create", "exec"])
@pytest.mark.parametrize("program", ["/bin/script", "/bin/loop", "/proc/self/exe"])
def test_entry_point(
    program: str, verb: str, bundle: BundleFactory, attacked: Attacked, snoop: Path, loader: Path, folder: Path
) -> None:
    """The first process is the runtime itself once more, in the container, by the image's own dynamic loader.

    pyrunc's helper needs none, finds nobody to talk to and ends.
    """
    before = own_code(attacked, folder)
    made = hostile(bundle, [program if verb != "exec" else "/bin/true"], snoop)
    for name in LOADERS:
        (made.rootfs / name).parent.mkdir(exist_ok=True)
        shutil.copy(loader, made.rootfs / name)
    if verb == "run":
        result = attacked.run(made)
    else:
        container_id, result = attacked.create(made)
        if verb == "create":
            attacked("start", container_id)
            attacked.wait_status(container_id, "stopped")
        else:
            result = attacked("exec", container_id, program)
    broken_if(changed(attacked, folder, before), "written to by the container")
    if attacked.own:
        assert "loaded" not in result.stdout
