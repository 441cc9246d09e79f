"""The runtimes that are compared, and how each is called."""

import ctypes
import os
import signal
import typing

from tests.bench.processes import Failed, Stage, descendants, libc, pss, reap, setns, wait_gone

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
CGROUP = "/sys/fs/cgroup"
HYBRID_CONTROLLERS = f"{CGROUP}/unified/cgroup.controllers"


class Runtime:
    """One runtime with a state root of its own.

    name:      its column in the table
    argv:      the command with its global options
    namespace: descriptor of the mount namespace in which it is started, None for ours
    """

    def __init__(self, name: str, path: str, root: str, options: typing.Sequence[str] = ()) -> None:
        self.name = name
        self.path = path
        self.root = root
        self.argv = [path, "--root", root, *options]
        self.namespace: int | None = None

    def call(self, stage: Stage, *arguments: str) -> int:
        """Runs one command; its duration in ns.  Raises Failed."""
        return stage.time([*self.argv, *arguments], self.namespace)

    def version(self, stage: Stage) -> str:
        """The first line of --version."""
        stage.time([self.path, "--version"], self.namespace)
        return stage.text().splitlines()[0]

    def clean(self, stage: Stage, container: str) -> None:
        """Whatever a failed command left: the container by the runtime's own means, then what is still below us."""
        try:
            self.call(stage, "delete", "--force", container)
        except Failed:
            pass  # there may be none; what matters is looked at next
        end_descendants()


def end_descendants(spared: typing.Container[int] = ()) -> list[int]:
    """Kills and reaps everything below us but `spared`; returns what there was."""
    reap()
    found = [pid for pid in descendants() if pid not in spared]
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        wait_gone(pid)
    return found


def life_cycle(runtime: Runtime, stage: Stage, bundle: str, container: str, pid_file: str) -> dict[str, int]:
    """A container from create to delete, each command timed: command -> ns."""
    times: dict[str, int] = {}

    def step(name: str, *arguments: str) -> None:
        times[name] = runtime.call(stage, *arguments)
        reap()

    step("create", "create", "--bundle", bundle, "--pid-file", pid_file, container)
    pid = read_pid(pid_file)
    step("start", "start", container)
    step("state", "state", container)
    step("exec", "exec", container, "/bin/true")
    step("exec -d", "exec", "-d", container, "/bin/true")
    for other in descendants():
        if other != pid:
            wait_gone(other)
    step("kill", "kill", container, "KILL")
    wait_gone(pid)
    step("delete", "delete", container)
    return times


def memory(runtime: Runtime, stage: Stage, bundle: str, container: str, pid_file: str) -> dict[str, int]:
    """What a created container holds in memory, and the most that its cgroup was charged for /bin/true, in bytes.

    `pss` counts every process that is below us and was not before: what the runtime left, whoever it is.
    """
    before = set(descendants())
    runtime.call(stage, "create", "--bundle", bundle, "--pid-file", pid_file, container)
    reap()
    pid = read_pid(pid_file)
    left = [other for other in descendants() if other not in before]
    result = {"pss": sum(pss(other) for other in left), "processes": len(left)}
    peak_file = cgroup_peak_file(pid)
    runtime.call(stage, "start", container)
    wait_gone(pid)
    if peak_file is not None:
        with open(peak_file, encoding="ascii") as file:
            result["peak"] = int(file.read())
    runtime.call(stage, "delete", container)
    return result


def read_pid(path: str) -> int:
    """The pid in a pid file, which is removed so that the next one is surely new."""
    with open(path, encoding="ascii") as file:
        pid = int(file.read())
    os.unlink(path)
    return pid


def cgroup_peak_file(pid: int) -> str | None:
    """The file with the peak memory of the process's cgroup, None where it has none of its own."""
    own = memory_cgroup("self")
    theirs = memory_cgroup(pid)
    if theirs is None or theirs == own:
        return None
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if os.path.exists(f"{theirs}/{name}"):
            return f"{theirs}/{name}"
    return None


def memory_cgroup(pid: int | str) -> str | None:
    """The directory of the cgroup that is charged for the process's memory."""
    unified = None
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if "memory" in controllers.split(","):
                return f"{CGROUP}/memory{path}"
            if not controllers:
                unified = f"{CGROUP}{path}"
    return unified


def namespace_for_crun() -> int | None:
    """A mount namespace in which crun 1.8 runs on a hybrid host; None where it needs none.

    That crun refuses every hybrid host whose cgroup2 has a controller ("cgroups in hybrid mode not supported"),
    even with --cgroup-manager=disabled.  In the namespace, the list of those controllers is empty.
    """
    try:
        with open(HYBRID_CONTROLLERS, encoding="ascii") as file:
            if not file.read().strip():
                return None
    except FileNotFoundError:
        return None
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        check(libc.unshare(CLONE_NEWNS), "unshare")
        check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
        check(libc.mount(b"/dev/null", HYBRID_CONTROLLERS.encode(), None, MS_BIND, None), "bind /dev/null")
        return os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        setns(own)
        os.close(own)


def check(result: int, what: str) -> None:
    """OSError where a libc call failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
