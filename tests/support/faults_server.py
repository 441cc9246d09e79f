"""A program that commits faults: commands of pyrunc, each in a fork of this warm interpreter, and what they left.

usage: python -IS faults_server.py SETTINGS      JSON, see `Settings` of faults.py

One line of JSON a request on stdin, one an answer on stdout.  It has a mount and a network namespace of its own, so
that nobody else's mounts and devices are mistaken for what a command left, and adopts every orphan below it.
"""

import json
import os
import posix
import signal
import socket
import subprocess
import sys
import time
from typing import Any

SETTINGS: dict[str, Any] = json.loads(sys.argv[1])
sys.path[:0] = [SETTINGS["checkout"]]
sys.path += SETTINGS["site"]

from pyrunc import build_thread, builder, cli, creation, execution, hooks, syscalls  # noqa: E402, F401 forks have them
from pyrunc.commands import create, delete, exec, kill, run, start  # noqa: E402, F401 the same
from tests.support.faults_points import Fault, Points  # noqa: E402
from tests.support.faults_strace import CHILD, FIRST, INIT, Tracer, calls_in, injection, struck_at  # noqa: E402

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_PRIVATE, MS_SHARED = 0x4000, 0x40000, 0x100000
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
POLLIN = 0x1
PEER = "pyrunc-test-p"
"""The other end of the network device: it goes with it."""
PATIENCE = 20
"""How long a command may take: seconds."""


class Late(Exception):
    """A command that did not end."""


class Server:
    """What one bundle's commands are called with, and how the machine looked before them."""

    def __init__(self) -> None:
        self.root, self.id, self.uid = SETTINGS["root"], SETTINGS["id"], SETTINGS["uid"]
        self.console: socket.socket | None = None
        syscalls.unshare(CLONE_NEWNS | CLONE_NEWNET)
        syscalls.mount("", "/", None, MS_REC | MS_PRIVATE)
        os.mkdir(self.root, 0o700)
        syscalls.mount("tmpfs", self.root, "tmpfs", 0, "mode=700")
        os.chown(self.root, self.uid, self.uid)
        # What a container's mounts do to the host they do here.
        syscalls.mount("", "/", None, MS_REC | MS_SHARED)
        syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGALRM, self.alarm)
        if SETTINGS["console"]:
            self.console = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.console.bind(SETTINGS["console"])
            self.console.listen(100)
            self.console.setblocking(False)
        self.before: dict[str, set[str]] = {}

    @staticmethod
    def alarm(_number: int, _frame: object) -> None:
        raise Late

    def command(self, words: list[str], fault: "Fault | None" = None, trace: str = "") -> dict[str, Any]:
        """One command line in a fork; its exit status (-N for signal N), stderr, and what was reported.

        trace: "points", or whose system calls are to be told (FIRST, CHILD)
        """
        output, report, told = (os.memfd_create(name) for name in ("output", "report", "told"))
        if fault and fault.point[1] == INIT:
            trace = fault.point[0]
        try:
            pid = os.fork()
            if not pid:
                self.child(words, fault, trace, output, report, told)
            late = False
            signal.alarm(PATIENCE)
            try:
                status = self.wait(pid)
            except Late:
                late = True
                os.kill(pid, signal.SIGKILL)
                status = self.wait(pid)
            signal.alarm(0)
            reported = self.contents(report).splitlines()
            answer = {"status": os.waitstatus_to_exitcode(status), "late": late, "stderr": self.contents(output)}
            return {**answer, "report": [line.split("\t") for line in reported], "told": self.contents(told)}
        finally:
            for fd in (output, report, told):
                os.close(fd)
            if self.console:
                self.take_consoles(self.console)

    @staticmethod
    def wait(pid: int) -> int:
        """Waits for the command; all other orphans are reaped as they end, as process 1 does it."""
        while True:
            found, status = os.waitpid(-1, 0)
            if found == pid:
                return status

    @staticmethod
    def contents(fd: int) -> str:
        return os.pread(fd, 1 << 24, 0).decode("utf-8", "replace")

    @staticmethod
    def take_consoles(listener: socket.socket) -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except BlockingIOError:
                return
            for fd in socket.recv_fds(connection, 4096, 1)[1]:
                os.close(fd)
            connection.close()

    def child(self, words: list[str], fault: "Fault | None", trace: str, output: int, report: int, told: int) -> None:
        """What the fork does: never returns."""
        status = 99
        try:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            null = os.open("/dev/null", os.O_RDWR)
            for fd, source in ((0, null), (1, output), (2, output)):
                os.dup2(source, fd)
            os.close(null)
            if self.uid:
                os.setgroups([])
                os.setresgid(self.uid, self.uid, self.uid)
                os.setresuid(self.uid, self.uid, self.uid)
                syscalls.prctl(PR_SET_DUMPABLE, 1)  # as after the exec that is not made here
            before = of_process()
            points: Points | None = None
            if trace in (FIRST, CHILD):
                inject = injection(fault.action, *fault.point[2:]) if fault else ""
                tracer = Tracer(told, trace, inject)
                if words[0] == "start":
                    tracer.attach(self.container_pid())
                else:
                    tracer.follow()
            elif fault or trace:
                points = Points(report, fault, self.container())
                points.install(bool(SETTINGS["device"]))
            status = cli.main(["--root", self.root, *words])
            self.look_inside(points, before, report)
        except BaseException as error:  # noqa: BLE001 a fork must not return into its parent's code
            os.write(report, f"problem\tthe command raised {type(error).__name__}: {error}\n".encode())
        finally:
            posix._exit(status)

    @staticmethod
    def look_inside(points: "Points | None", before: set[str], report: int) -> None:
        """What the command left in its own process, which a program that calls pyrunc would keep."""
        own = {f"descriptor {fd}" for fd in points.own_descriptors()} if points else set()
        left = {what for what in of_process() - before if what.partition(":")[0] not in own}
        problems = [f"left in its process: {what}" for what in left]
        until = time.monotonic() + 2  # the builder's thread says that it is done, and then ends
        while len(os.listdir("/proc/self/task")) != 1 and time.monotonic() < until:
            time.sleep(0.001)
        if len(os.listdir("/proc/self/task")) != 1:
            problems.append("left a thread")
        for problem in problems:
            os.write(report, f"problem\t{problem}\n".encode())

    def container(self) -> int:
        """A pidfd of the container's process, -1 when there is none."""
        try:
            return os.pidfd_open(self.container_pid())
        except (OSError, IndexError):
            return -1

    def container_pid(self) -> int:
        """The pid of the container's process.  Raises OSError or IndexError when there is none."""
        with open(f"{self.root}/{self.id}/process") as file:
            return int(file.read().split()[0])

    # --- what is left -------------------------------------------------------------------------------------------------

    def picture(self) -> dict[str, set[str]]:
        """Everything that a command could leave and a look can find."""
        state = {f"{self.root}/{name}" for name in os.listdir(self.root) if name != ".seccomp"}
        places = ("/tmp", "/run", "/dev/shm", "/var/tmp", "/run/lock")
        files = {f"{place}/{name}" for place in places for name in listing(place) if self.id in name}
        found = {
            "mount": lines("/proc/self/mountinfo"),
            "cgroup": {path for parent in SETTINGS["cgroups"] for path in folders_below(parent)},
            "network interface": {name for _, name in socket.if_nameindex()},
            "state": state,
            "lock": {line for line in lines("/proc/locks") if self.is_ours(line)},
            "file": files | {f"{SETTINGS['bundle']}/{name}" for name in listing(SETTINGS["bundle"])},
        }
        if "pid" in SETTINGS["held"]:
            found["process in a joined namespace"] = held(SETTINGS["holder"])
        return found

    def is_ours(self, lock: str) -> bool:
        """Whether a line of /proc/locks is about a file on the state root's file system."""
        device = os.stat(self.root).st_dev
        return f" {os.major(device):02x}:{os.minor(device):02x}:" in lock

    def left(self) -> list[str]:
        """What is there now and was not before, in words; processes are waited for, since a kill takes its time."""
        until = time.monotonic() + 5
        running = True
        while True:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                running = False
            found = [f"{kind} {item}" for kind, items in self.picture().items() for item in items - self.before[kind]]
            if not (running or found) or time.monotonic() > until:
                break
            time.sleep(0.002)
        if running:
            found += [f"process {pid} ({command_of(pid)})" for pid in children()]
        return found

    def clear(self) -> None:
        """After a fault that left something: away with it, so that the next one is judged by itself."""
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        self.left()
        self.look()

    # --- requests -----------------------------------------------------------------------------------------------------

    def warm_up(self, request: dict[str, Any]) -> dict[str, Any]:
        """A whole life, after which everything that a life leaves on purpose is there: points of mounts, the cache."""
        self.prepare([])
        for words in request["life"]:
            answer = self.command(words)
            if answer["status"]:
                return {"problem": f"{words}: {answer}"}
        self.look()
        for kind in ("state", "lock"):
            self.before[kind] = set()
        return {"problem": "; ".join(self.left())}

    def list_points(self, request: dict[str, Any]) -> dict[str, Any]:
        """The points of a command (the last of `steps`), and how the command ended."""
        prepared = self.prepare(request["steps"][:-1])
        answer = self.command(request["steps"][-1], trace=request["trace"])
        answer["calls"] = calls_in(answer.pop("told"))
        self.command(request["clean"])
        answer["problem"] = "; ".join(filter(None, [prepared, *self.left()]))
        return answer

    def look(self) -> None:
        """Takes what is there now as what may be there; the pair of network devices comes and goes."""
        self.before = self.picture()
        if SETTINGS["device"]:
            self.before["network interface"] |= {SETTINGS["device"], PEER}

    def prepare(self, steps: list[list[str]]) -> str:
        """The commands before the one that matters; what was wrong with them.  Whatever is there to be moved is there
        then: a device goes with the network namespace of the container that got it."""
        if SETTINGS["device"]:
            self.make_device()
        for words in steps:
            answer = self.command(words)
            if answer["status"]:
                return f"{words}: {answer['stderr']}"
        return ""

    @staticmethod
    def make_device() -> None:
        """Makes the pair of network devices if it has gone, or when it has: a namespace takes its time to end."""
        until = time.monotonic() + 5
        while (names := {name for _, name in socket.if_nameindex()}) & {SETTINGS["device"], PEER}:
            if SETTINGS["device"] in names:
                return
            if time.monotonic() > until:
                raise AssertionError(f"{PEER} is there, {SETTINGS['device']} is not")
            time.sleep(0.002)
        subprocess.run(["ip", "link", "add", SETTINGS["device"], "type", "veth", "peer", "name", PEER], check=True)

    def commit(self, request: dict[str, Any]) -> dict[str, Any]:
        """The fault in the last of `steps`; then `clean`; then, with `again`, another life."""
        problems = [self.prepare(request["steps"][:-1])]
        container = self.container() if request["unharmed"] else -1
        answer = self.command(request["steps"][-1], Fault(*request["fault"]))
        answer["call"] = struck_at(answer.pop("told"))
        answer["struck"] = ["struck"] in answer["report"] or bool(answer["call"])
        if container >= 0:
            if syscalls.poll(container, POLLIN, 0):
                problems.append("the container's process has ended")
            os.close(container)
        if request["undone"] and answer["status"] > 0:
            problems += [f"before delete --force: {item}" for item in self.left()]
        cleaned = self.command(request["clean"])
        if cleaned["status"] or cleaned["late"]:
            problems.append(f"delete --force: {cleaned}")
        left = self.left()
        problems += left
        if request["again"]:
            self.prepare([])
        for words in request["again"] if not left else ():
            again = self.command(words)
            if again["status"]:
                problems.append(f"again: {words}: {again['stderr']}")
        if request["again"]:
            problems += [f"again: {item}" for item in self.left()]
        problems += [" ".join(fields[1:]) for fields in answer.pop("report") if fields[0] == "problem"]
        answer["problems"] = [problem for problem in problems if problem]
        if answer["problems"]:
            self.clear()
        return answer

    def serve(self) -> None:
        """Answers until stdin ends."""
        handlers = {"warm_up": self.warm_up, "list": self.list_points, "commit": self.commit}
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(handlers[request["do"]](request)), flush=True)


def of_process() -> set[str]:
    """What of this process a command might change."""
    found = {f"working directory {os.getcwd()}"}
    found |= {f"blocked signal {number}" for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
    found |= {line.strip() for line in lines("/proc/self/status") if line.startswith(("Umask:", "Cap", "Uid:", "Gid:"))}
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"descriptor {name}: {os.readlink('/proc/self/fd/' + name)}")
        except FileNotFoundError:
            continue  # the listing's own
    return found


def listing(folder: str) -> list[str]:
    """The names in a folder, [] when it is not there."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def lines(path: str) -> set[str]:
    """The lines of a small file."""
    with open(path) as file:
        return set(file)


def folders_below(folder: str) -> list[str]:
    """The directories of a cgroup, all the way down."""
    return [path for path, _, _ in os.walk(folder)][1:]


def children() -> list[int]:
    """The pids of this process's children."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def command_of(pid: int) -> str:
    """The command line of a process, or its name."""
    try:
        with open(f"/proc/{pid}/cmdline") as cmdline, open(f"/proc/{pid}/status") as status:
            return cmdline.read().replace("\0", " ").strip() or status.readline().strip()
    except OSError:
        return "gone"


def held(holder: int) -> set[str]:
    """The processes in the pid namespace of another process."""
    namespace = os.readlink(f"/proc/{holder}/ns/pid")
    found = set()
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == namespace:
                found.add(name)
        except OSError:
            continue
    return found


if __name__ == "__main__":
    Server().serve()
