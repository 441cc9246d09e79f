"""S14 (CVE-2024-21626): a descriptor of the host's that is still open when the container's paths are looked up."""

from collections.abc import Callable, Iterable

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.weakened import Change

pytestmark = pytest.mark.root

LEAK: tuple[Change, ...] = (
    ("csrc/init.c", "    set_labels(setup);\n    leave_host_proc();\n", "    set_labels(setup);\n"),
    ("csrc/init_namespaces.c", "    if (among_others)\n        leave_host_proc();\n", ""),
)
NO_CHECK: tuple[Change, ...] = (("csrc/init_process.c", "    if (path[0] != '/')\n", "    if (path[0] == 0)\n"),)


def script(canary: Canary) -> str:
    """Reads the canary, should the working directory be the host's /proc or any other directory of the host."""
    file = str(canary.path / "file")
    return f"cat 1/root{file} .{file} ..{file} ../..{file} 2>/dev/null; true"


def exec_in_each(bundle: BundleFactory, attacked: Attacked, canary: Canary, numbers: Iterable[int]) -> None:
    """exec --cwd with each, from which the canary must not be readable."""
    container_id, _ = attacked.create(bundle("exit 0"))
    for number in numbers:
        for name in (f"/proc/self/fd/{number}", f"/proc/thread-self/fd/{number}"):
            result = attacked("exec", "--cwd", name, container_id, "/bin/sh", "-c", script(canary))
            broken_if("host" in result.stdout, f"the host's files are reached by {name}")


@attack("S14", weak={"both": (*LEAK, *NO_CHECK)})
def test_exec(bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    exec_in_each(bundle, attacked, canary, (4,) if attacked.weak else range(3, 11))


@pytest.mark.parametrize("changes", [LEAK, NO_CHECK], ids=["leak", "unchecked"])
def test_exec_with_one_protection(
    changes: tuple[Change, ...], bundle: BundleFactory, weak: Callable[..., Attacked], canary: Canary
) -> None:
    """Either of the two protections is enough by itself."""
    exec_in_each(bundle, weak(*changes), canary, (4, 5))


@attack("S14")
@pytest.mark.parametrize("verb", ["cwd", "program"])
def test_configuration(verb: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    for number in range(3, 11):
        made = bundle(script(canary))
        if verb == "cwd":
            made.config["process"]["cwd"] = f"/proc/self/fd/{number}"
        else:
            made.config["process"]["args"] = [f"/proc/self/fd/{number}/bin/sh", "-c", "echo host"]
        result = attacked.run(made.save())
        broken_if("host" in result.stdout, f"the host's files are reached by descriptor {number}")
        if attacked.own:
            assert result.returncode == 1
            assert result.stdout == ""


@attack("S14")
def test_program(bundle: BundleFactory, attacked: Attacked) -> None:
    """The same through the name of the program of an exec."""
    container_id, _ = attacked.create(bundle("exit 0"))
    for number in range(3, 11):
        result = attacked("exec", container_id, f"/proc/self/fd/{number}/bin/sh", "-c", "echo ran")
        broken_if("ran" in result.stdout, f"the host's program is executed by descriptor {number}")
        if attacked.own:
            assert result.returncode != 0


@attack("S14")
def test_all_numbers(bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """All that a process can have open by default, from the inside: as a working directory, and on the way."""
    file = canary.path / "file"
    look = (
        "for n in $(seq 0 1023); do for p in self thread-self 1; do d=/proc/$p/fd/$n;"
        f" [ -e $d ] || continue; (cd $d 2>/dev/null && {script(canary)}); cat $d{file} $d/..{file} 2>/dev/null;"
        " done; done; true"
    )
    container_id, _ = attacked.create(bundle(("/bin/sleep", "100")))
    for result in (attacked.run(bundle(look)), attacked("exec", container_id, "/bin/sh", "-c", look)):
        broken_if("host" in result.stdout, "the host's files are reached")


@attack("S14")
def test_descriptors(bundle: BundleFactory, attacked: Attacked) -> None:
    """The program has 0, 1 and 2 (and 3, with which ls reads the folder), in a container and in an exec."""
    run = attacked.undecided_unless(attacked.run(bundle("ls /proc/self/fd")), "run")
    broken_if(set(run.stdout.split()) - {"0", "1", "2", "3"}, "open in the container")
    container_id, _ = attacked.create(bundle("exit 0"))
    result = attacked.undecided_unless(attacked("exec", container_id, "ls", "/proc/self/fd"), "exec")
    broken_if(set(result.stdout.split()) - {"0", "1", "2", "3"}, "open in an exec")
