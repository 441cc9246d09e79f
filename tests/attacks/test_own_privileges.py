"""What could be had by taking over pyrunc-init on its way: at each moment no more than it still needs."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunc.security.capabilities import ALL, ENTERING, MAKING, mask
from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.freezer import freeze, thaw
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

FILTER = {"defaultAction": "SCMP_ACT_ALLOW"}
OWN = ["CAP_KILL", "CAP_NET_BIND_SERVICE"]
(SYS_ADMIN, _), (SYS_CHROOT, _), (OWN_MASK, _) = mask(["CAP_SYS_ADMIN"]), mask(["CAP_SYS_CHROOT"]), mask(OWN)

NEVER_FEWER: tuple[Change, ...] = (
    ("csrc/init.c", "    rest_capabilities(&setup);", "    ;"),
    ("csrc/init_capabilities.c", "        data[i].permitted &= kept;\n", ""),
)


def held(pid: int) -> tuple[int, int]:
    """The effective and the permitted set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    effective, permitted = (re.search(rf"^{name}:\s*(\w+)$", status, re.M) for name in ("CapEff", "CapPrm"))
    assert effective is not None
    assert permitted is not None
    return int(effective[1], 16), int(permitted[1], 16)


def with_own(bundle: Bundle, no_new_privileges: bool = True) -> Bundle:
    """The bundle with capabilities of its own, and with a filter, which without no_new_privs needs one more."""
    process = bundle.config["process"]
    process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted", "inheritable"), OWN)
    process["noNewPrivileges"] = no_new_privileges
    bundle.config["linux"]["seccomp"] = FILTER
    return bundle.save()


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize(("no_new_privileges", "more"), [(True, 0), (False, SYS_ADMIN)])
def test_waiting_for_start(no_new_privileges: bool, more: int, uid: int, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """It has what the program will have, and what loads the filter; none of it is effective."""
    made = with_own(bundle("grep Cap /proc/self/status"), no_new_privileges)
    made.config["process"]["user"] = {"uid": uid, "gid": uid}
    container_id, result = pyrunc.create(made.save())
    assert held(pyrunc.state(container_id)["pid"]) == (0, OWN_MASK | more)
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")
    sets = dict(line.split() for line in result.stdout.splitlines())
    own = f"{OWN_MASK:016x}"
    assert sets["CapInh:"] == sets["CapBnd:"] == own
    assert sets["CapPrm:"] == sets["CapEff:"] == (f"{0:016x}" if uid else own)


def test_waiting_for_start_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    pyrunc = weak(*NEVER_FEWER)
    container_id, _ = pyrunc.create(with_own(bundle()))
    assert held(pyrunc.state(container_id)["pid"]) == (OWN_MASK, OWN_MASK)


def while_made(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, kind: str = "") -> tuple[int, int]:
    """What it has while its file system is being made and hooks run; kind: of a namespace to have, too."""
    hook = folder / "hook"
    hook.write_text(
        f'#!/bin/sh\npid=$(sed "s/.*\\"pid\\": *\\([0-9]*\\).*/\\1/")\ncp /proc/$pid/status {folder}/seen\n'
    )
    hook.chmod(0o755)
    made = with_own(bundle())
    made.config["hooks"] = {"createRuntime": [{"path": str(hook)}]}
    if kind:
        made.config["linux"]["namespaces"].append({"type": kind})
    if kind == "user":
        for maps in ("uidMappings", "gidMappings"):
            made.config["linux"][maps] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    pyrunc.create(made.save())
    seen = (folder / "seen").read_text()
    effective, permitted = (int(re.findall(rf"^{name}:\s*(\w+)$", seen, re.M)[0], 16) for name in ("CapEff", "CapPrm"))
    return effective, permitted


@pytest.mark.parametrize("kind", ["", "user"])
def test_while_the_container_is_made(kind: str, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    granted = held(os.getpid())[1] if not kind else ALL  # root may have been given less itself
    wanted = (MAKING | OWN_MASK) & granted
    assert while_made(pyrunc, bundle, folder, kind) == (wanted, wanted)


def test_while_the_container_is_made_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path) -> None:
    _, own = held(os.getpid())
    assert while_made(weak(*NEVER_FEWER), bundle, folder)[1] == own


def among_others(pyrunc: Pyrunc, bundle: Bundle) -> int:
    """What an exec's process could be robbed of by processes of the container, which it has just come to: it stands
    still there, since the container is frozen."""
    bundle.config["process"]["args"] = ["sleep", "1000"]
    container_id, _ = pyrunc.create(bundle.save())
    pyrunc.ok("start", container_id)
    first = pyrunc.state(container_id)["pid"]
    cgroup = freeze(first)
    try:
        with open(os.devnull, "wb") as out:
            process = pyrunc.popen("exec", "--ignore-paused", container_id, "true", stdout=out)
        tasks = cgroup / "tasks"
        processes.wait_until(lambda: len(tasks.read_text().split()) > 1, "the exec's process in its cgroup")
        (pid,) = {int(line) for line in tasks.read_text().split()} - {first}
        assert "(pyrunc-init)" in processes.name_of(pid)
        _, permitted = held(pid)
    finally:
        thaw(cgroup)
    assert process.wait(10) == 0
    return permitted


@pytest.mark.cgroup1
@pytest.mark.parametrize(("no_new_privileges", "more"), [(True, 0), (False, SYS_ADMIN)])
def test_among_the_containers_processes(
    no_new_privileges: bool, more: int, bundle: BundleFactory, pyrunc: Pyrunc
) -> None:
    assert among_others(pyrunc, with_own(bundle(), no_new_privileges)) == ENTERING | OWN_MASK | more


@pytest.mark.cgroup1
def test_among_the_containers_processes_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    _, own = held(os.getpid())
    assert among_others(weak(*NEVER_FEWER), with_own(bundle())) == own


def permitted_at(log: str) -> dict[str, int]:
    """For each marking call of an strace: what the capset before it has left permitted."""
    found: dict[str, int] = {}
    permitted = -1
    for line in log.splitlines():
        if sets := re.search(r"capset\(.*permitted=(?:0x)?([0-9a-f|<A-Z_ ]+)", line):
            names = re.findall(r"1<<(CAP_\w+)", sets[1])
            permitted = mask(names)[0]
        elif call := re.search(r"\b(pivot_root|sethostname|sched_setattr|chdir|setresuid|execve)\(", line):
            found[call[1]] = permitted
    return found


def test_phases(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Between the orders and the waiting: as strace sees it."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    made = with_own(bundle())
    made.config["hostname"] = "pyrunc-test"
    log = folder / "log"
    made.config["process"]["scheduler"] = {"policy": "SCHED_BATCH"}
    made.save()
    calls = "capset,pivot_root,sethostname,sched_setattr,chdir,setresuid,execve"
    container_id = pyrunc.new_id()
    command = [strace, "-f", "-v", "-s", "200", "-e", f"trace={calls}", "-o", str(log)]
    subprocess.run([*command, *pyrunc.argv("run", "--bundle", made.save(), container_id)], check=True)
    found = permitted_at(log.read_text())
    settings, _ = mask(["CAP_SYS_ADMIN", "CAP_SYS_NICE"])
    files, _ = mask([f"CAP_{name}" for name in "DAC_OVERRIDE DAC_READ_SEARCH CHOWN SETPCAP SETGID SETUID".split()])
    assert found["pivot_root"] == found["sethostname"] == (MAKING | OWN_MASK) & held(os.getpid())[1]
    assert found["sched_setattr"] == settings | files | OWN_MASK
    assert found["chdir"] == found["setresuid"] == files | OWN_MASK
    assert found["execve"] == OWN_MASK
