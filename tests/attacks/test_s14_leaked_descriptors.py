"""S14 (CVE-2024-21626): a descriptor of the host's that is still open when the container's paths are looked up."""

from collections.abc import Callable

import pytest

from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

NUMBERS = range(3, 10)
LEAK: tuple[Change, ...] = (
    ("csrc/init.c", "    set_labels(setup);\n    leave_host_proc();\n", "    set_labels(setup);\n"),
    ("csrc/init_namespaces.c", "    if (among_others)\n        leave_host_proc();\n", ""),
)
NO_CHECK: tuple[Change, ...] = (("csrc/init_process.c", "    if (path[0] != '/')\n", "    if (path[0] == 0)\n"),)


def script(canary: Canary) -> str:
    """Reads the canary, should the working directory be the host's /proc or any other directory of the host."""
    file = str(canary.path / "file")
    return f"cat 1/root{file} .{file} ..{file} ../..{file} 2>/dev/null; true"


def reached(pyrunc: Pyrunc, bundle: BundleFactory, canary: Canary, numbers: "range | tuple[int, ...]") -> list[str]:
    """The working directories from which an exec can read the canary."""
    container_id, _ = pyrunc.create(bundle("exit 0"))
    names = [f"/proc/self/fd/{number}" for number in numbers] + [f"/proc/thread-self/fd/{numbers[0]}"]
    return [
        name
        for name in names
        if "host" in pyrunc("exec", "--cwd", name, container_id, "/bin/sh", "-c", script(canary)).stdout
    ]


def test_exec(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    assert reached(pyrunc, bundle, canary, NUMBERS) == []


@pytest.mark.parametrize("changes", [LEAK, NO_CHECK], ids=["leak", "unchecked"])
def test_exec_with_one_protection(
    changes: tuple[Change, ...], bundle: BundleFactory, weak: Callable[..., Pyrunc], canary: Canary
) -> None:
    """Either of the two protections is enough by itself."""
    assert reached(weak(*changes), bundle, canary, (4, 5)) == []


def test_exec_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], canary: Canary) -> None:
    assert reached(weak(*LEAK, *NO_CHECK), bundle, canary, (4,)) == ["/proc/self/fd/4", "/proc/thread-self/fd/4"]


def test_configuration(bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    for number in NUMBERS:
        made = bundle(script(canary))
        made.config["process"]["cwd"] = f"/proc/self/fd/{number}"
        result = pyrunc.run(made.save())
        assert result.returncode == 1
        assert result.stdout == ""


def test_program(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The same through the name of the program."""
    container_id, _ = pyrunc.create(bundle("exit 0"))
    for number in NUMBERS:
        result = pyrunc("exec", container_id, f"/proc/self/fd/{number}/bin/sh", "-c", "echo ran")
        assert result.returncode != 0
        assert "ran" not in result.stdout


def test_descriptors(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The program has 0, 1 and 2 (and 3, with which ls reads the folder), in a container and in an exec."""
    assert pyrunc.run(bundle("ls /proc/self/fd")).stdout.split() == ["0", "1", "2", "3"]
    container_id, _ = pyrunc.create(bundle("exit 0"))
    assert pyrunc.ok("exec", container_id, "ls", "/proc/self/fd").stdout.split() == ["0", "1", "2", "3"]
