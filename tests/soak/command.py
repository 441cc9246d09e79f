"""Life cycles through the command: create, start, state, kill or the program's own end, wait, delete."""

import json
import os
import select
import threading
import time
from pathlib import Path

from tests.support import leaks
from tests.support.runtime import ENVIRONMENT

PATIENCE = 60.0
"""Seconds for a command, and for a container's end: far more than any takes."""


class Failure(Exception):
    """A cycle went wrong; the message has the command and what it said."""


class Cycle:
    """How long one took: seconds by the clock, and of processor time in its commands."""

    __slots__ = ("processor", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.processor = 0.0


class Soak:
    """Cycles of several workers at once.  Each has two bundles: one whose program stays, one whose program ends.

    The calling process has to be a subreaper: containers become its children.
    """

    def __init__(self, command: Path, root: Path, folder: Path, bundles: "list[tuple[Path, Path]]") -> None:
        self.command = command
        self.root = root
        self.folder = folder
        self.bundles = bundles
        self.cycles: list[Cycle] = []
        self.failures: list[str] = []
        self.lock = threading.Lock()
        self.left = 0

    def run(self, cycles: int) -> None:
        """Runs that many, as many at a time as there are bundles; stops early when ten have failed."""
        self.left = cycles
        workers = [threading.Thread(target=self.work, args=(number, *both)) for number, both in enumerate(self.bundles)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def work(self, worker: int, stays: Path, ends: Path) -> None:
        """One worker's cycles."""
        number = 0
        while True:
            with self.lock:
                if not self.left or len(self.failures) >= 10:
                    return
                self.left -= 1
            number += 1
            container = f"{leaks.prefix()}soak-{worker}-{number}"
            cycle = Cycle()
            began = time.monotonic()
            try:
                self.one(container, cycle, ends if number % 2 else stays, bool(number % 2), worker)
            except (Failure, OSError, ValueError) as error:
                with self.lock:
                    self.failures.append(f"{container}: {error}")
                self.call(cycle, worker, "delete", "--force", container)
                continue
            cycle.seconds = time.monotonic() - began
            with self.lock:
                self.cycles.append(cycle)

    def one(self, container: str, cycle: Cycle, bundle: Path, ends: bool, worker: int) -> None:
        """One life.  Raises Failure."""
        pid_file = self.folder / f"pid-{worker}"
        self.must(cycle, worker, "create", "--bundle", str(bundle), "--pid-file", str(pid_file), container)
        pid = int(pid_file.read_text())
        process = os.pidfd_open(pid)
        try:
            self.must(cycle, worker, "start", container)
            if not ends:
                self.expect_status(cycle, worker, container, "running")
                self.must(cycle, worker, "kill", container, "KILL")
            if not select.select([process], [], [], PATIENCE)[0]:
                raise Failure(f"process {pid} does not end")
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if status != (0 if ends else -9):
                raise Failure(f"ended with {status}")
        finally:
            os.close(process)
        if ends:
            self.expect_status(cycle, worker, container, "stopped")
        self.must(cycle, worker, "delete", container)

    def expect_status(self, cycle: Cycle, worker: int, container: str, wanted: str) -> None:
        """Asks `state`.  Raises Failure."""
        self.must(cycle, worker, "state", container)
        status = json.loads((self.folder / f"out-{worker}").read_text())["status"]
        if status != wanted:
            raise Failure(f"is {status}, not {wanted}")

    def must(self, cycle: Cycle, worker: int, *words: str) -> None:
        """A command that has to succeed.  Raises Failure."""
        status = self.call(cycle, worker, *words)
        if status:
            said = (self.folder / f"err-{worker}").read_text(errors="replace").strip()
            raise Failure(f"{' '.join(words)}: status {status}: {said}")

    def call(self, cycle: Cycle, worker: int, *words: str) -> int:
        """Runs the command, its output in files; its exit status."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        pid = os.posix_spawn(
            self.command,
            [str(self.command), "--root", str(self.root), *words],
            ENVIRONMENT,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.folder / f"out-{worker}"), flags, 0o600),
                (os.POSIX_SPAWN_OPEN, 2, str(self.folder / f"err-{worker}"), flags, 0o600),
            ],
        )
        _, status, usage = os.wait4(pid, 0)
        cycle.processor += usage.ru_utime + usage.ru_stime
        return os.waitstatus_to_exitcode(status)
