"""What is hostile beside the container's root file system: other users of the host, cgroups, joined namespaces, and an
importing program's own threads."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrunc.build_thread import BuildThread
from pyrunc.builder import Builder
from pyrunc.container import Container
from pyrunc.creation import Creation
from pyrunc.creation_options import Options
from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.namespaces import NamespaceHolder
from tests.support.runtime import Pyrunc
from tests.support.weakened import CHECKOUT, Change

pytestmark = pytest.mark.root

NOBODY = 65534
BY_UMASK: Change = ("csrc/shim_socket.c", "fchmod(fd, 0600) < 0 || ", "")
SAME_FILE: tuple[Change, ...] = (
    (
        "pyrunc/process_start.py",
        "            posix.unlink(temporary)\n        except FileNotFoundError:",
        "            pass\n        except FileNotFoundError:",
    ),
    (
        "pyrunc/process_start.py",
        "posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW",
        "posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW",
    ),
)
TOP_ONLY: tuple[Change, ...] = (
    (
        "pyrunc/cgroups/members.py",
        '    if "freezer" not in paths:\n        return\n',
        '    if "freezer" in paths:\n        return\n',
    ),
    ("pyrunc/liveness.py", "KILL_PATIENCE = 10.0", "KILL_PATIENCE = 0.5"),
)


EXECUTED_INSIDE: Change = (
    "pyrunc/builder.py",
    'perform_all(operations if privileged else (), build, "reserve")',
    "pass",
)


def may_connect(pyrunc: Pyrunc, bundle: BundleFactory) -> bool:
    """Whether another user of the host may start a container that was created under a careless umask."""
    container_id, _ = pyrunc.create(bundle("exit 0"), umask=0)
    socket = pyrunc.root / container_id / "start.sock"
    assert pyrunc.root.stat().st_mode & 0o111 == 0o111
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            status = 0 if os.access(socket, os.W_OK) else 2
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 2)
    return status == 0


def test_start_socket(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not may_connect(pyrunc, bundle)


def test_start_socket_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert may_connect(weak(BY_UMASK), bundle)


def truncated(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path) -> bool:
    """Whether a file of the host is, when others may write to the folder of the pid file and put a link there."""
    victim = folder / "victim"
    victim.write_text("host\n")
    shared = folder / "shared"
    shared.mkdir()
    os.link(victim, shared / ".pid.pyrunc")
    pyrunc.create(bundle("exit 0"), "--pid-file", str(shared / "pid"))
    assert int((shared / "pid").read_text()) > 0
    return victim.read_text() != "host\n"


def test_pid_file(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    assert not truncated(pyrunc, bundle, folder)


def test_pid_file_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path) -> None:
    assert truncated(weak(*SAME_FILE), bundle, folder)


def test_pid_file_and_a_fifo(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    os.mkfifo(folder / ".pid.pyrunc")
    pyrunc.create(bundle("exit 0"), "--pid-file", str(folder / "pid"), timeout=5.0)


def cannot_be_deleted(pyrunc: Pyrunc, bundle: BundleFactory) -> bool:
    """Whether a container that may write to its freezer (v1) survives delete --force by freezing itself in there."""
    container_id, _ = pyrunc.create(bundle("sleep 1000 & sleep 1000"))
    pyrunc.ok("start", container_id)
    pid = pyrunc.state(container_id)["pid"]
    with open(f"/proc/{pid}/cgroup") as lines:
        (path,) = (line.rstrip("\n").split(":")[2] for line in lines if ":freezer:" in line)
    below = Path(f"/sys/fs/cgroup/freezer{path}/below/deeper")
    below.mkdir(parents=True)
    processes.wait_until(lambda: processes.children(pid), "the container's second process")
    (below / "cgroup.procs").write_text(str(processes.children(pid)[0]))
    (below / "freezer.state").write_text("FROZEN")
    try:
        return pyrunc("delete", "--force", container_id).returncode != 0
    finally:
        if below.exists():
            (below / "freezer.state").write_text("THAWED")


@pytest.mark.cgroup1
def test_frozen_by_itself(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not cannot_be_deleted(pyrunc, bundle)


@pytest.mark.cgroup1
def test_frozen_by_itself_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert cannot_be_deleted(weak(*TOP_ONLY), bundle)


def executed_inside(pyrunc: Pyrunc, bundle: BundleFactory, folder: Path, held: NamespaceHolder) -> bool:
    """Whether root executes what somebody in a mount namespace that is joined has put at the path of pyrunc-init."""
    package = (CHECKOUT if pyrunc.command.parent.name == "build" else pyrunc.command.parent) / "pyrunc"
    extension = next(package.glob("_shim*.so")).name
    script = f"mount -t tmpfs t {package} && cd {package} && touch pyrunc-init {extension} && chmod 755 pyrunc-init"
    enter = ["nsenter", "--target", str(held.pid), "--user", "--preserve-credentials", "--mount"]
    subprocess.run([*enter, "sh", "-c", script], check=True)
    made = bundle("echo ran")
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "mount"]
    linux["namespaces"] += [{"type": kind, "path": held.path(kind)} for kind in ("user", "mount")]
    (folder / "volume").mkdir()
    ids = [{"containerID": 0, "hostID": 5000, "size": 10}]
    volume = {"destination": "/vol", "source": str(folder / "volume"), "options": ["rbind"]}
    mounts = [mount for mount in made.config["mounts"] if mount["type"] in ("proc", "tmpfs")]
    made.config["mounts"] = [*mounts, {**volume, "uidMappings": ids, "gidMappings": ids}]
    result = pyrunc.run(made.save())
    assert result.stdout == "ran\n" or "start pyrunc-init: " in result.stderr, result
    return result.stdout != "ran\n"


def test_who_makes_user_namespaces(
    bundle: BundleFactory, pyrunc: Pyrunc, folder: Path, holder: Callable[..., NamespaceHolder]
) -> None:
    """For an idmapped mount one is made, by running pyrunc-init: that of the host."""
    assert not executed_inside(pyrunc, bundle, folder, holder("user", "mount"))


def test_who_makes_user_namespaces_can_fail(
    bundle: BundleFactory, weak: Callable[..., Pyrunc], folder: Path, holder: Callable[..., NamespaceHolder]
) -> None:
    assert executed_inside(weak(EXECUTED_INSIDE), bundle, folder, holder("user", "mount"))


@pytest.mark.parametrize("joins", [False, True])
def test_who_builds(joins: bool, bundle: BundleFactory, pyrunc: Pyrunc, holder: Callable[..., NamespaceHolder]) -> None:
    """A thread of the program enters new mount namespaces only: the "/" of one that is joined may be hostile, and
    imports, finalizers and signal handlers of the program run in any thread."""
    made = bundle("exit 0")
    if joins:
        for entry in made.config["linux"]["namespaces"]:
            if entry["type"] == "mount":
                entry["path"] = holder("mount").path("mount")
    creation = Creation(str(pyrunc.root), pyrunc.new_id(), str(made.save()), Options())
    state, process = creation.perform(wait_for_start=True)
    creation.release_signals()
    try:
        assert type(creation.builder) is (Builder if joins else BuildThread)
    finally:
        process.close()
        state.close()
        Container(str(pyrunc.root), creation.plan.id).delete(force=True)


def test_a_program_with_threads(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """While several threads make containers, no descriptor of one gets into another, and the others of the program
    keep their mount namespace, working directory and umask."""
    root = str(pyrunc.root)
    bundles = [bundle("ls /proc/self/fd > /log") for _ in range(2)]
    for made in bundles:
        made.config["root"]["readonly"] = False
        made.save()
    mask = os.umask(0o077)
    seen: set[Any] = set()
    errors: list[BaseException] = []
    done = threading.Event()

    def watch() -> None:
        number = 0
        while not done.is_set():
            number += 1
            (folder / f"file-{number}").write_text("")
            mode = (folder / f"file-{number}").stat().st_mode & 0o777
            seen.add((mode, os.getcwd(), os.readlink("/proc/thread-self/ns/mnt")))
            time.sleep(0.001)

    def make(number: int) -> None:
        try:
            for _ in range(6):
                container = Container.create(root, f"{folder.name}-{number}", str(bundles[number]))
                container.start()
                container.wait()
                container.delete()
                assert (bundles[number].rootfs / "log").read_text().split() == ["0", "1", "2", "3"]
        except BaseException as error:  # noqa: BLE001 told by the test, not by the thread
            errors.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(2)]
    watcher = threading.Thread(target=watch)
    try:
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        done.set()
        watcher.join()
        os.umask(mask)
    assert errors == []
    assert seen == {(0o600, os.getcwd(), os.readlink("/proc/self/ns/mnt"))}


@pytest.mark.parametrize("kind", ["fifo", "file", "link", "folder", "missing"])
def test_exec_where_dev_null_is_hostile(kind: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The container has exchanged its own /dev/null and /etc/passwd: exec neither hangs nor takes them."""
    made = bundle("exit 0")
    made.config["root"]["readonly"] = False
    container_id, _ = pyrunc.create(made.save())
    root = Path(f"/proc/{pyrunc.state(container_id)['pid']}/root")
    for path in (root / "dev/null", root / "etc/passwd"):
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "file":
            path.write_text("root:x:0:0::/evil:/bin/sh\n" if path.name == "passwd" else "evil\n")
        elif kind == "link":
            path.symlink_to("/proc/kmsg")
        elif kind == "folder":
            path.mkdir()
    result = pyrunc.ok("exec", container_id, "/bin/sh", "-c", "cat; stat -L -c %t:%T /proc/self/fd/0", timeout=5.0)
    assert "evil" not in result.stdout
