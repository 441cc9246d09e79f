"""A container that several commands reach at once, and what they answer."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support import processes
from tests.support.bundles import Bundle
from tests.support.runtime import Pyrunc
from tests.support.system_faults import traces
from tests.support.system_faults_model import COMMANDS, GONE, explains, outcome

BOUND = 10.0
"""How long commands at once may take, all of them: seconds."""

PATIENCE = 1.0
"""When an exec that is alone is taken for one that waits for the container to be resumed: seconds."""


class Arena:
    """One container at a time, in a status, and commands at once on it.

    wrong: what no order explains, what took too long or was left, in words;  count: how often commands met
    """

    def __init__(self, pyrunc: Pyrunc, made: Bundle, folder: Path) -> None:
        self.pyrunc = pyrunc
        self.made = made
        self.folder = folder
        self.id = pyrunc.new_id()
        self.wrong: list[str] = []
        self.count = 0

    def set_up(self, status: str) -> None:
        """Makes the container, in that status."""
        self.pyrunc.ok("create", "--bundle", self.made, self.id)
        if status in ("running", "paused", "stopped"):
            self.pyrunc.ok("start", self.id)
        if status in ("paused", "held"):
            self.pyrunc.ok("pause", self.id)
        if status == "stopped":
            self.pyrunc.ok("kill", self.id, "KILL")
            self.pyrunc.wait_status(self.id, "stopped")

    def at_once(self, status: str, commands: "Sequence[str]", delays: "Sequence[float]") -> None:
        """Starts the commands, each so many seconds after the first moment, and notes what is wrong."""
        self.set_up(status)
        begin = time.monotonic()
        running = self.start(commands, delays)
        last = self.wait_for(running, commands)
        seconds = time.monotonic() - begin
        answers = [(command, self.answer(number, command, running[number])) for number, command in enumerate(commands)]
        last = last or self.last_status(("kill", "ok") in answers)
        self.count += 1
        when = [round(delay * 1000) for delay in delays]
        where = f"{status}: {answers} -> {last} after {seconds:.1f} s, started at {when} ms"
        if not explains(status, answers, last):
            self.wrong.append(f"no order explains {where}")
        if seconds > BOUND:
            self.wrong.append(f"too long: {where}")
        result = self.pyrunc("delete", "--force", self.id)
        left = traces(self.id)
        if result.returncode or result.stderr or left:
            self.wrong.append(f"{where}: left {left}, {result}")

    def start(self, commands: "Sequence[str]", delays: "Sequence[float]") -> "dict[int, subprocess.Popen[bytes]]":
        """Starts them; by their place in `commands`."""
        running: "dict[int, subprocess.Popen[bytes]]" = {}
        begin = time.monotonic()
        for delay, number in sorted(zip(delays, range(len(commands)), strict=True)):
            time.sleep(max(0.0, begin + delay - time.monotonic()))
            args = [self.id if word == "ID" else word for word in COMMANDS[commands[number]]]
            with open(self.folder / f"{number}.out", "wb") as out, open(self.folder / f"{number}.err", "wb") as err:
                running[number] = self.pyrunc.popen(*args, stdout=out, stderr=err)
            processes.reap_inner()
        return running

    def wait_for(self, running: "dict[int, subprocess.Popen[bytes]]", commands: "Sequence[str]") -> str:
        """Waits until all have ended.

        An exec whose container was paused meanwhile goes on when it is resumed: that is done when nothing else is
        left, and the status from before is the last one, which is returned then.
        """
        begin = time.monotonic()
        last = ""
        while left := [number for number, process in running.items() if process.poll() is None]:
            processes.reap_inner()
            waited = time.monotonic() - begin
            if waited > PATIENCE and not last and {commands[number] for number in left} == {"exec"}:
                last = self.last_status()
                self.pyrunc("resume", self.id)
            if waited > 2 * BOUND:
                self.wrong.append("hangs: " + ", ".join(processes.name_of(running[number].pid) for number in left))
                processes.end([running[number].pid for number in left])
            time.sleep(0.002)
        return last

    def answer(self, number: int, command: str, process: "subprocess.Popen[bytes]") -> str:
        """What a command said."""
        out, err = ((self.folder / f"{number}.{end}").read_text() for end in ("out", "err"))
        shown = json.loads(out)["status"] if command == "state" and process.returncode == 0 else out
        return outcome(command, process.returncode, shown, err)

    def last_status(self, killed: bool = False) -> str:
        """The status; of one that was killed, when it has ended."""

        def look() -> str:
            result = self.pyrunc("state", self.id)
            return str(result.json()["status"]) if result.returncode == 0 else GONE

        if killed:
            processes.wait_until(lambda: look() in ("stopped", GONE), f"the end of {self.id}")
        status = look()
        waits = (self.pyrunc.root / self.id / "start.sock").exists()
        return "held" if status == "paused" and waits else status
