"""S5 (CVE-2019-16884) and S18 (CVE-2025-52881): what the runtime writes to procfs reaches the kernel, whatever stands
at those names in the container."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.namespaces import NamespaceHolder
from tests.support.weakened import ANYTHING_BELOW_PROC, Change

pytestmark = pytest.mark.root

SYSCTL = "net/ipv4/conf/all/log_martians"
CONTAINERS_PROC: tuple[Change, ...] = (
    (
        "csrc/init_process.c",
        "    if (host_proc >= 0)\n        return fcntl(host_proc, F_DUPFD_CLOEXEC, CONTROL_FD + 1);\n",
        "",
    ),
    (
        "csrc/init_process.c",
        "    int proc = mount_proc(subset);\n",
        "    int proc = -1; (void)subset; (void)mount_proc;\n",
    ),
    ("csrc/init_process.c", 'fail_about(ENODEV, step, subject, "/proc is not procfs");', ";"),
    ("csrc/init_process.c", "RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS", "RESOLVE_BENEATH"),
)


def forged(folder: Path) -> Path:
    """A tree that looks like a procfs."""
    tree = folder / "forged"
    for name in ("self/attr/exec", "sys/kernel/core_pattern", f"sys/{SYSCTL}"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")
    return tree


def with_mount(made: Bundle, destination: str, source: "str | Path") -> Bundle:
    mount: dict[str, Any] = {"destination": destination, "type": "tmpfs", "source": str(source)}
    if source != "tmpfs":
        mount.update(type="none", options=["rbind"])
    made.config["mounts"].append(mount)
    return made.save()


DESTINATIONS = (
    "/proc/self",
    "/proc/self/attr",
    "/proc/sys",
    "/proc/sys/kernel",
    "/proc/1",
    "/proc/../proc/sys",
    "/l/sys",
)
WEAK_DESTINATIONS = ("/proc/sys", "/l/sys")


@attack(
    "S5",
    "S18",
    weak={"no rule below": ANYTHING_BELOW_PROC},
    when=lambda given: given["destination"] in WEAK_DESTINATIONS,
)
@pytest.mark.parametrize("source", ["tmpfs", "forged"])
@pytest.mark.parametrize("destination", ["/proc", *DESTINATIONS])
def test_mounts_over_proc(
    destination: str, source: str, bundle: BundleFactory, attacked: Attacked, folder: Path
) -> None:
    """Nothing is mounted over procfs, nor over a part of it."""
    place = destination.replace("/l/", "/proc/").replace("/proc/../", "/")
    made = bundle(f"echo ran; mount -t proc proc /p; grep ' {place} ' /proc/self/mountinfo /p/self/mountinfo")
    (made.rootfs / "l").symlink_to("/proc")
    (made.rootfs / "p").mkdir()
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = ["CAP_SYS_ADMIN"]
    result = attacked.run(with_mount(made, destination, source if source == "tmpfs" else forged(folder)))
    found = [line for line in result.stdout.splitlines() if f" {place} " in line and " - proc " not in line]
    broken_if(found, f"mounted on {destination}")
    if attacked.own:
        assert result.returncode == 1
        assert "cannot be mounted because it is" in result.stderr
        assert result.stdout == ""


@attack("S5", "S18", weak={"by path": CONTAINERS_PROC}, when=lambda given: not given["joined"])
@pytest.mark.parametrize("joined", [False, True], ids=["own", "joined"])
def test_sysctl(
    joined: bool, bundle: BundleFactory, attacked: Attacked, holder: Callable[..., NamespaceHolder]
) -> None:
    """A sysctl of a container without a procfs, whose image has forged one, arrives in the kernel and not in the image;
    also in a joined pid namespace, where the helper has given up the host's procfs."""
    made = bundle("mkdir /p; mount -t proc proc /p; cat /p/sys/" + SYSCTL)
    made.config["mounts"] = [mount for mount in made.config["mounts"] if mount["destination"] != "/proc"]
    made.config["linux"].update(sysctl={SYSCTL.replace("/", "."): "1"}, maskedPaths=[], readonlyPaths=[])
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = ["CAP_SYS_ADMIN"]
    made.config["root"]["readonly"] = False
    if joined:
        for entry in made.config["linux"]["namespaces"]:
            if entry["type"] == "pid":
                entry["path"] = holder("pid").path("pid")
    image = made.rootfs / "proc/sys" / SYSCTL
    image.parent.mkdir(parents=True)
    image.write_text("")
    result = attacked.run(made.save())
    broken_if(image.read_text(), "written to the image's file")
    if attacked.own:
        assert (result.returncode, result.stdout) == (0, "1\n")


@attack("S5", "S18")
@pytest.mark.parametrize(
    "name", ["kernel/../vm/swappiness", "../sys/vm/swappiness", "net.ipv4../../vm/swappiness", "net/"]
)
def test_names_of_sysctls(name: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """A name cannot lead out of what is the container's own."""
    before = Path("/proc/sys/vm/swappiness").read_text()
    made = bundle("exit 0")
    made.config["linux"]["sysctl"] = {name: "1"}
    result = attacked.run(made.save())
    after = Path("/proc/sys/vm/swappiness").read_text()
    if after != before:
        Path("/proc/sys/vm/swappiness").write_text(before)
    broken_if(after != before, "a sysctl of the host has changed")
    if attacked.own:
        assert result.returncode == 1
