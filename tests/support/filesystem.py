"""Runs operations of the file system stage as the builder does, and looks at the outcome from inside."""

import ctypes
import json
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

from pyrunc import syscalls
from pyrunc.cgroups.layout import Layout, detect
from pyrunc.errors import PyruncError
from pyrunc.operations.base import Operation, perform_all
from pyrunc.operations.build import Build
from pyrunc.operations.filesystem import make_mount
from pyrunc.operations.plan import plan_filesystem
from tests.support import processes

CLONE = {
    "mount": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
SYS_pivot_root = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
MNT_DETACH = 2
MS_SLAVE_REC = 0x84000

Look = Callable[[Build], Any]
IdMap = list[tuple[int, int, int]]


class Failed(Exception):
    """What an operation raised in the child: the text of a PyruncError, with its errno and hint."""

    def __init__(self, text: str, errno: int, hint: str) -> None:
        super().__init__(text)
        self.errno = errno
        self.hint = hint


def pivot(build: Build) -> None:
    """What pyrunc-init does at the end: the container's root becomes "/"."""
    old = os.open("/", os.O_PATH)
    os.fchdir(build.root)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_pivot_root, b".", b"."):
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.fchdir(old)
    os.close(old)
    syscalls.mount("", ".", None, MS_SLAVE_REC)
    syscalls.umount2(".", MNT_DETACH)
    os.chdir("/")


def read_mountinfo(rootfs: str) -> dict[str, dict[str, Any]]:
    """The mounts at and below rootfs by their place in it, the last one on each."""
    table = {}
    with open("/proc/self/mountinfo") as file:
        lines = file.read().splitlines()
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if fields[4] != rootfs and not fields[4].startswith(rootfs + "/"):
            continue
        fstype, source, flags = right.split(" ", 2)
        table[fields[4][len(rootfs) :] or "/"] = {
            "id": int(fields[0]),
            "root": fields[3],
            "options": set(fields[5].split(",")),
            "propagation": [word.split(":")[0] for word in fields[6:]],
            "type": fstype,
            "source": source,
            "superblock": set(flags.split(",")),
        }
    return table


def mountinfo() -> dict[str, dict[str, Any]]:
    """For `look`: what read_mountinfo() found before pivot_root (afterwards there may be no /proc)."""
    return MOUNTS


MOUNTS: dict[str, dict[str, Any]] = {}


def plan(
    config: dict[str, Any],
    bundle: str,
    kinds: tuple[str, ...] = ("mount",),
    layout: Layout | None = None,
    cgroup_paths: dict[str, str] | None = None,
) -> list[Operation]:
    """plan_filesystem with what these tests do not care about filled in."""
    return plan_filesystem(
        {"root": {"path": "rootfs"}, **config},
        bundle=bundle,
        layout=layout or detect(),
        cgroup_paths=cgroup_paths or {},
        has_own=kinds,
    )


BOUND_DEV = {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["bind"]}
"""With this mount a plan has no devices."""


def run_mounts(rootfs: str, *mounts: dict[str, Any], look: Look | None = None, **more: Any) -> Any:
    """Performs the plan for these mounts and `linux`; the mount table, or what `look` finds.  Else as perform()."""
    config = {"mounts": [*mounts], "linux": more.pop("linux", {})}
    if all(mount["destination"] != "/dev" for mount in mounts):
        config["mounts"].append(BOUND_DEV)
    operations = plan(config, os.path.dirname(rootfs), more.get("kinds", ("mount",)))
    return perform(operations, rootfs, look or (lambda _: mountinfo()), **more)


def perform(
    operations: list[Operation],
    rootfs: str,
    look: Look | None = None,
    *,
    kinds: tuple[str, ...] = ("mount",),
    ids: IdMap | None = None,
    entered: bool = False,
    pivoted: bool = True,
) -> Any:
    """Performs operations in new namespaces and gives back what `look` finds there (as JSON would have it).

    look:          called after pivot_root (`pivoted`), else with the host's tree as its "/"
    ids:           the uid and gid map of a user namespace
    entered:       prepare() is called when the mount namespace has been joined already, and not the user namespace
    Raises Failed with what a PyruncError said.
    """
    holder, pidfd = hold(kinds, ids or [])
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(read)
            answer = in_child(operations, rootfs, look, kinds, pidfd, holder, entered, pivoted)
            os.write(write, json.dumps(answer, default=list).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    end(holder)
    os.close(pidfd)
    if status:
        raise AssertionError(f"the builder of the test ended with status {status}")
    answer = json.loads(text)
    if answer[0] == "failed":
        raise Failed(*answer[1:])
    if answer[0] == "crashed":
        raise AssertionError(answer[1])
    return answer[1]


def end(holder: int) -> None:
    """Ends the holder and the process 1 of its pid namespace, which is an orphan then: this process's, as subreaper."""
    inner = processes.children(holder)
    for pid in (holder, *inner):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(holder, 0)
    for pid in inner:
        processes.wait_gone(pid)


def in_child(
    operations: list[Operation],
    rootfs: str,
    look: Look | None,
    kinds: tuple[str, ...],
    pidfd: int,
    holder: int,
    entered: bool,
    pivoted: bool,
) -> tuple[Any, ...]:
    """The builder's part."""
    try:
        build = Build(
            rootfs,
            os.path.dirname(rootfs),
            in_userns="user" in kinds,
            userns_fd=os.open(f"/proc/{holder}/ns/user", os.O_RDONLY) if "user" in kinds else -1,
            make_proc=lambda words: make_proc(words, pidfd if "pid" in kinds else -1),
            make_userns=make_userns,
        )
        build.entered = entered
        if entered:
            syscalls.setns(pidfd, sum(CLONE[kind] for kind in kinds if kind not in ("pid", "user")))
        perform_all(operations, build, "prepare")
        syscalls.setns(pidfd, sum(CLONE[kind] for kind in kinds if kind != "pid" and (not entered or kind == "user")))
        if "user" in kinds:
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        before = len(os.listdir("/proc/self/fd"))
        try:
            perform_all(operations, build)
        except PyruncError:
            build.close()
            after = len(os.listdir("/proc/self/fd"))
            if after > before:
                return ("crashed", f"{after - before} descriptors leaked by a failure")
            raise
        MOUNTS.update(read_mountinfo(rootfs))
        if pivoted:
            pivot(build)
        return ("done", look(build) if look else None)
    except PyruncError as error:
        return ("failed", str(error), error.errno, error.hint)
    except BaseException:  # noqa: BLE001 the child must not return into pytest
        return ("crashed", traceback.format_exc())


def hold(kinds: tuple[str, ...], ids: IdMap) -> tuple[int, int]:
    """A process in new namespaces that waits to be killed: its pid and pidfd."""
    ready_read, ready_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.prctl(1, signal.SIGKILL)
            flags = sum(CLONE[kind] for kind in kinds)
            if "user" in kinds:
                syscalls.unshare(CLONE["user"])
                os.write(ready_write, b"u")
                os.read(mapped_read, 1)
                os.setresgid(0, 0, 0)
                os.setresuid(0, 0, 0)
                syscalls.prctl(4, 1)
                flags &= ~CLONE["user"]
            syscalls.unshare(flags)
            if "pid" in kinds:
                # The first child is the new namespace's process 1; it has to live.
                if os.fork() == 0:
                    syscalls.prctl(1, signal.SIGKILL)
                    os.write(ready_write, b"r")
                    signal.pause()
            else:
                os.write(ready_write, b"r")
            signal.pause()
        finally:
            os._exit(1)
    os.close(mapped_read)
    os.close(ready_write)
    try:
        if "user" in kinds:
            assert os.read(ready_read, 1) == b"u"
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{pid}/{name}", "w") as file:
                    file.write("".join(f"{a} {b} {c}\n" for a, b, c in ids))
            os.write(mapped_write, b"m")
        assert os.read(ready_read, 1) == b"r"
    finally:
        os.close(ready_read)
        os.close(mapped_write)
    return pid, os.pidfd_open(pid)


def make_proc(words: list[tuple[str, str | None]], pidfd: int) -> int:
    """A procfs of the holder's pid namespace; a child makes it, because only children get into that."""
    if pidfd < 0:
        return make_mount("proc", "proc", words, 0)
    ours, theirs = syscalls.socketpair(5)
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        target = int(next(line for line in file if line.startswith("Pid:")).split()[1])
    inner = os.open(f"/proc/{target}/ns/pid_for_children", os.O_RDONLY)
    child = os.fork()
    if child == 0:
        try:
            syscalls.setns(inner, CLONE["pid"])
            if (grandchild := os.fork()) == 0:
                syscalls.send(theirs, b"p", [make_mount("proc", "proc", words, 0)])
                os._exit(0)
            os.waitpid(grandchild, 0)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    _, fds = syscalls.recv(ours, 1, 1)
    os.close(ours)
    os.close(inner)
    return fds[0]


def make_userns(uids: IdMap, gids: IdMap) -> int:
    """A descriptor of a user namespace with these maps; the process that made it ends at once."""
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.unshare(CLONE["user"])
            os.write(ready_write, b"r")
            signal.pause()
        finally:
            os._exit(0)
    os.read(ready_read, 1)
    os.close(ready_read)
    os.close(ready_write)
    try:
        for name, ids in (("uid_map", uids), ("gid_map", gids)):
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write("".join(f"{a} {b} {c}\n" for a, b, c in ids))
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
