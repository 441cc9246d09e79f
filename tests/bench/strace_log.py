"""Reads what `strace -ff -ttt -T` wrote: one file a process, one system call a line."""

import os
import re

LINE = re.compile(r"^(?P<at>\d+\.\d+) (?P<name>\w+)\((?P<rest>.*)$")
RESULT = re.compile(r"\) += (?P<result>-?\w+)(?P<error> E\w+)?[^<]*(?:<(?P<took>\d+\.\d+)>)?$")
EXIT = re.compile(r"^(?P<at>\d+\.\d+) \+\+\+ ")


class Call:
    """One system call: when it began (s), its process's role, name, arguments, whether it succeeded, duration (s)."""

    __slots__ = ("arguments", "at", "name", "role", "succeeded", "took")

    def __init__(self, at: float, role: str, name: str, arguments: str, succeeded: bool, took: float) -> None:
        self.at = at
        self.role = role
        self.name = name
        self.arguments = arguments
        self.succeeded = succeeded
        self.took = took

    @property
    def end(self) -> float:
        """When it returned."""
        return self.at + self.took


def read_process(path: str) -> list[Call]:
    """The calls of one process; its end is a call named "exited"."""
    calls = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            end = EXIT.match(line)
            if end is not None:
                calls.append(Call(float(end["at"]), "", "exited", "", True, 0.0))
                continue
            match = LINE.match(line.rstrip("\n"))
            if match is None:
                continue  # a signal
            result = RESULT.search(match["rest"])
            took = float(result["took"] or 0) if result is not None else 0.0
            succeeded = result is not None and result["error"] is None
            arguments = match["rest"] if result is None else match["rest"][: result.start()]
            calls.append(Call(float(match["at"]), "", match["name"], arguments, succeeded, took))
    return calls


def read(directory: str, main: int) -> list[Call]:
    """All calls of all processes by time, each with its role.

    runtime: the process that was started; helper: one that executes pyrunc-init; other forks: builder.
    """
    found: list[Call] = []
    for name in os.listdir(directory):
        calls = read_process(os.path.join(directory, name))
        if int(name.rpartition(".")[2]) == main:
            role = "runtime"
        elif any(call.name.startswith("execve") and call.succeeded for call in calls):
            role = "helper"
        else:
            role = "builder"
        for call in calls:
            call.role = role
        found += calls
    found.sort(key=lambda call: call.at)
    return found
