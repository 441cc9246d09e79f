"""S5 (CVE-2019-16884) and S18 (CVE-2025-52881): what the runtime writes to procfs reaches the kernel, whatever stands
at those names in the container."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.canary import Canary
from tests.support.namespaces import NamespaceHolder
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

NO_RULE_BELOW: tuple[Change, ...] = (
    (
        "pyrunc/operations/mount.py",
        '    elif destination.startswith("/proc/")',
        '    elif destination.startswith("/none/")',
    ),
    (
        "pyrunc/operations/mount.py",
        "            if posix.stat(proc).st_dev == posix.stat(target).st_dev:\n",
        "            if not proc:\n",
    ),
)
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


@pytest.mark.parametrize("source", ["tmpfs", "forged"])
@pytest.mark.parametrize("destination", ["/proc", *DESTINATIONS])
def test_mounts_over_proc(destination: str, source: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    made = bundle("echo ran")
    (made.rootfs / "l").symlink_to("/proc")
    result = pyrunc.run(with_mount(made, destination, source if source == "tmpfs" else forged(folder)))
    assert result.returncode == 1
    assert "cannot be mounted because it is" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("destination", ["/proc/sys", "/l/sys"])
def test_mounts_over_proc_can_fail(
    destination: str, bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path
) -> None:
    made = bundle("cat /proc/sys/kernel/core_pattern; echo ran")
    (made.rootfs / "l").symlink_to("/proc")
    result = weak(*NO_RULE_BELOW).run(with_mount(made, destination, forged(folder)))
    assert result.stdout == "ran\n"


def sysctl_written(pyrunc: Pyrunc, bundle: BundleFactory, join: "NamespaceHolder | None" = None) -> list[str]:
    """Where a sysctl of a container without a procfs, whose image has forged one, arrives: kernel, image."""
    made = bundle("mkdir /p; mount -t proc proc /p; cat /p/sys/" + SYSCTL)
    made.config["mounts"] = [mount for mount in made.config["mounts"] if mount["destination"] != "/proc"]
    made.config["linux"].update(sysctl={SYSCTL.replace("/", "."): "1"}, maskedPaths=[], readonlyPaths=[])
    for kind in ("bounding", "effective", "permitted"):
        made.config["process"]["capabilities"][kind] = ["CAP_SYS_ADMIN"]
    made.config["root"]["readonly"] = False
    if join:
        for entry in made.config["linux"]["namespaces"]:
            if entry["type"] == "pid":
                entry["path"] = join.path("pid")
    image = made.rootfs / "proc/sys" / SYSCTL
    image.parent.mkdir(parents=True)
    image.write_text("")
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 0, result
    return [result.stdout.strip(), image.read_text()]


def test_sysctl(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert sysctl_written(pyrunc, bundle) == ["1", ""]


def test_sysctl_among_others(bundle: BundleFactory, pyrunc: Pyrunc, holder: Callable[..., NamespaceHolder]) -> None:
    """In a joined pid namespace, where the helper has given up the host's procfs."""
    assert sysctl_written(pyrunc, bundle, holder("pid")) == ["1", ""]


def test_sysctl_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert sysctl_written(weak(*CONTAINERS_PROC), bundle) == ["0", "1"]


@pytest.mark.parametrize("name", ["kernel/../vm/swappiness", "../sysrq-trigger", "net.ipv4../../vm/swappiness", "net/"])
def test_names_of_sysctls(name: str, bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    """A name cannot lead out of what is the container's own."""
    before = Path("/proc/sys/vm/swappiness").read_text()
    made = bundle("exit 0")
    made.config["linux"]["sysctl"] = {name: "1"}
    assert pyrunc.run(made.save()).returncode == 1
    assert Path("/proc/sys/vm/swappiness").read_text() == before
