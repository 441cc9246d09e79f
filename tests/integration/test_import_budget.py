"""What each hot command loads, to the letter: every import is paid for at every call.

A module that a command newly needs is added here, by somebody who has thought about the price.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.processes import wait_gone
from tests.support.runtime import Pyrunc

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Performs one command as the launcher does, then writes what it loaded to the file named first.
SCRIPT = f"""
import sys
sys.dont_write_bytecode = True
report = open(sys.argv.pop(1), "w")  # the command may restrict itself
before = set(sys.modules)
sys.path[:0] = [{str(CHECKOUT)!r}]
sys.path += {[path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]!r}
from pyrunc.cli import main
status = main(sys.argv[1:], own_process=True)
report.write(" ".join(sorted(set(sys.modules) - before)))
report.close()
sys.exit(status)
"""

# Built into the interpreter, but for the first.  Not even `os`: see pyrunc/pathnames.py.
STANDARD = {"_cffi_backend", "_json", "errno"}

ALWAYS = """
    pyrunc pyrunc._shim pyrunc._shim.lib pyrunc.cgroups pyrunc.cli pyrunc.commands pyrunc.container pyrunc.errors
    pyrunc.fastjson pyrunc.liveness pyrunc.log pyrunc.options pyrunc.pathnames pyrunc.record pyrunc.state
    pyrunc.state_root pyrunc.syscalls
""".split()

# Of a process that is there: its cgroup's members.
MEMBERS = ["pyrunc.cgroups.files", "pyrunc.cgroups.layout", "pyrunc.cgroups.members"]

NEW_PROCESS = """
    pyrunc.cgroups.files pyrunc.cgroups.layout pyrunc.facts pyrunc.helper pyrunc.launch pyrunc.namespaces
    pyrunc.process pyrunc.process_start pyrunc.security pyrunc.security.capabilities pyrunc.security.lsm
    pyrunc.security.seccomp pyrunc.setup pyrunc.spec pyrunc.spec._check pyrunc.spec.check pyrunc.spec.load
    pyrunc.spec.rules pyrunc.spec.rules_linux pyrunc.spec.rules_process pyrunc.spec.rules_resources
""".split()

CREATION = """
    pyrunc.build_thread pyrunc.builder pyrunc.cgroups.devices pyrunc.cgroups.operations pyrunc.cgroups.plan
    pyrunc.creation pyrunc.creation_options pyrunc.operations pyrunc.operations.base pyrunc.operations.bind
    pyrunc.operations.build
    pyrunc.operations.cgroup_mount pyrunc.operations.constants pyrunc.operations.devices
    pyrunc.operations.filesystem pyrunc.operations.masks pyrunc.operations.mount pyrunc.operations.options
    pyrunc.operations.paths pyrunc.operations.plan pyrunc.operations.rootfs pyrunc.plan
""".split()

# One of the two versions of cgroups, with what only it needs; v2 has some of v1's.
CGROUP_VERSION = (
    {"pyrunc.cgroups.v1"},
    {
        *("pyrunc.cgroups.v1", "pyrunc.cgroups.v2", "pyrunc.cgroups.convert"),
        *("pyrunc.cgroups.device_filter", "pyrunc.cgroups.delegation"),
        "struct",
        "_struct",
    },
)

BUDGET = {
    "create": {*NEW_PROCESS, *CREATION},
    "state": {"pyrunc.confinement"},
    "start": {"pyrunc.confinement", "pyrunc.helper"},
    "kill": {*MEMBERS, "pyrunc.confinement"},
    "exec": {*MEMBERS, *NEW_PROCESS, "pyrunc.cgroups.placement", "pyrunc.execution", "pyrunc.foreground"},
    "delete": {*MEMBERS, "pyrunc.confinement"},
    "run": {*MEMBERS, *NEW_PROCESS, *CREATION, "pyrunc.foreground"},
}
ARGUMENTS = {"kill": ["KILL"], "exec": ["/bin/true"]}


@pytest.fixture
def sleeper(bundle: BundleFactory) -> Bundle:
    return bundle(["/bin/sleep", "60"])


def loaded(pyrunc: Pyrunc, folder: Path, command: str, *arguments: str) -> set[str]:
    """What one command loads of what the interpreter has not loaded by itself."""
    report = folder / f"{command}.modules"
    argv = [sys._base_executable, "-IS", "-c", SCRIPT, str(report)]  # type: ignore[attr-defined]
    argv += ["--root", str(pyrunc.root), command, *arguments]
    # Its own files for output: a container that it makes keeps them open.
    with open(folder / f"{command}.out", "wb") as out:
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=30).returncode
    assert status == 0, (folder / f"{command}.out").read_text()
    return set(report.read_text().split())


def check(command: str, modules: set[str]) -> None:
    """The modules are the budget's, neither more nor fewer."""
    rest = modules - STANDARD - {"pyrunc.commands." + command}
    if command in ("create", "run"):
        rest -= CGROUP_VERSION["pyrunc.cgroups.v2" in rest]
    if "\nSeccomp:\t2" in Path("/proc/self/status").read_text():
        rest.discard("pyrunc.kernel_calls")  # these tests run under a filter, which may refuse something
    assert rest == {*ALWAYS, *BUDGET[command]}


def test_every_hot_command(sleeper: Bundle, pyrunc: Pyrunc, folder: Path) -> None:
    found = {}
    for command in ("create", "state", "start", "exec", "kill"):
        options = ["--bundle", str(sleeper)] if command == "create" else []
        found[command] = loaded(pyrunc, folder, command, *options, "c1", *ARGUMENTS.get(command, []))
        if command == "start":
            pid = pyrunc("state", "c1").json()["pid"]
    wait_gone(pid)
    found["delete"] = loaded(pyrunc, folder, "delete", "c1")
    sleeper.config["process"]["args"] = ["/bin/true"]
    sleeper.save()
    found["run"] = loaded(pyrunc, folder, "run", "--bundle", str(sleeper), "c1")
    for command, modules in found.items():
        check(command, modules)


def test_nothing_dear_is_in_the_budget() -> None:
    dear = {
        *(
            "os",
            "re",
            "json",
            "enum",
            "typing",
            "dataclasses",
            "argparse",
            "subprocess",
            "socket",
            "logging",
            "pathlib",
        ),
        *("ctypes", "signal", "jsonschema", "pyseccomp", "functools", "collections", "contextlib"),
    }
    for modules in BUDGET.values():
        assert not modules & dear
    assert not STANDARD & dear
