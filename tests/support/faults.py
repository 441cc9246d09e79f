"""Faults in every operation of a container's life: which there are, committing them, judging what came of it.

A fault is an error, or the death of the runtime, the builder or the helper, at one point (see faults_points.py) of one
command (create, start, exec, delete, run) on one of ten bundles (faults_bundles.py).  Whatever happened, after
`delete --force` nothing may be left, and the id can be used again.
"""

import json
import os
import random
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import leaks
from tests.support.faults_bundles import HELD, FaultBundle
from tests.support.faults_points import (
    CALL,
    CGROUP,
    ERROR,
    FILE_SYSTEM,
    HOOK,
    KILL_BUILDER,
    KILL_HELPER,
    KILL_RUNTIME,
    MESSAGE,
    NETWORK,
    STATE,
)
from tests.support.faults_strace import CHILD, FIRST, INIT, NEVER_STRUCK, STRACE
from tests.support.rootfs import RootTemplate

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SERVER = Path(__file__).with_name("faults_server.py")
KINDS = (FILE_SYSTEM, CGROUP, MESSAGE, HOOK, NETWORK, STATE, CALL, INIT)
OPERATIONS = (FILE_SYSTEM, CGROUP, HOOK, NETWORK)
"""Kinds that have a name and a place in config.json, which errors must tell."""
ACTIONS = (ERROR, KILL_RUNTIME, KILL_BUILDER, KILL_HELPER)
LEAST = 5
LIFE = ("create", "start", "exec", "delete")
COMMANDS = (*LIFE, "run")


class Point:
    """One point of a command: what is done there, and whom one can kill at that moment."""

    def __init__(self, fields: list[str]) -> None:
        self.role, self.kind, self.name, index, self.place, *self.targets = fields
        self.index = int(index)


class Case:
    """One fault at one point."""

    def __init__(self, command: str, point: Point, moment: str, action: str) -> None:
        self.command = command
        self.point = point
        self.moment = moment
        self.action = action

    def __str__(self) -> str:
        point = self.point
        return f"{self.action} {self.moment} {self.command}, {point.role}, {point.kind} ({point.name} #{point.index})"


def cases_of(command: str, point: Point) -> Iterator[Case]:
    """The faults at one point.

    An operation or a hook fails having done nothing, or everything; a system call only without having been made.
    Between two system calls it is the same moment after the first and before the second.
    """
    if point.place != "never fails":
        yield Case(command, point, "before", ERROR)
        if point.kind in OPERATIONS:
            yield Case(command, point, "after", ERROR)
    for target in (KILL_RUNTIME, *point.targets):
        yield Case(command, point, "before", target)
        if point.kind != CALL:
            yield Case(command, point, "after", target)


class Commands:
    """The command lines of one container's life, with --root left out."""

    def __init__(self, bundle: FaultBundle) -> None:
        console = ["--console-socket", str(bundle.path / "console.sock")] if bundle.terminal else []
        self.lines = {
            "create": ["create", "--bundle", str(bundle.path), *console, bundle.id],
            "start": ["start", bundle.id],
            "exec": ["exec", bundle.id, "/bin/true"],
            "delete": ["delete", "--force", bundle.id],
            "run": ["run", "--detach", "--bundle", str(bundle.path), *console, bundle.id],
        }

    def up_to(self, command: str) -> list[list[str]]:
        """The command and what comes before it."""
        before = {"start": ["create"], "exec": ["create", "start"], "delete": ["create", "start"]}
        return [self.lines[name] for name in [*before.get(command, []), command]]


class Victim:
    """One bundle with its server; a context manager."""

    def __init__(self, name: str, folder: Path, template: RootTemplate) -> None:
        self.bundle = FaultBundle(name, folder, template, leaks.prefix())
        self.commands = Commands(self.bundle)
        hierarchies = [] if self.bundle.uid else leaks.cgroup_hierarchies()
        self.cgroups = [f"{hierarchy}{os.path.dirname(self.bundle.cgroup)}" for hierarchy in hierarchies]
        settings = {
            "checkout": str(CHECKOUT),
            "site": sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}),
            "root": str(folder / f"{name}-state"),
            "id": self.bundle.id,
            "uid": self.bundle.uid,
            "bundle": str(self.bundle.path),
            "console": self.commands.lines["create"][4] if self.bundle.terminal else "",
            "cgroups": self.cgroups,
            "holder": self.bundle.holder.pid if self.bundle.holder else 0,
            "held": HELD.get(name, ()),
            "device": next(iter(self.bundle.config["linux"].get("netDevices", {})), ""),
        }
        python = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
        self.server = subprocess.Popen(
            [python, "-IS", SERVER, json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Victim":
        life = [self.commands.lines[command] for command in LIFE]
        problem = self.ask({"do": "warm_up", "life": life})["problem"]
        if problem:
            self.close()
            raise AssertionError(f"{self.bundle.name}: without any fault: {problem}")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server, and removes what pyrunc leaves on purpose: the cgroups above the container's."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()
        self.bundle.close()
        for parent in self.cgroups:
            for folder in (parent, os.path.dirname(parent)):
                if os.path.isdir(folder) and os.stat(folder).st_nlink == 2:  # no cgroup in it
                    os.rmdir(folder)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request and its answer."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        if not answer:
            raise AssertionError(f"{self.bundle.name}: the server has died")
        result = json.loads(answer)
        assert isinstance(result, dict)
        return result

    def cases(self) -> list[Case]:
        """Every fault in every command, but for those in pyrunc-init."""
        found: list[Case] = []
        for command in COMMANDS:
            for fields in self.list(command, "points")["report"]:
                found += cases_of(command, Point(fields))
        return found

    def cases_inside(self) -> list[Case]:
        """Every fault in the system calls of pyrunc-init; none without strace, or for a user, who may not trace it."""
        found: list[Case] = []
        if self.bundle.uid or not STRACE:
            return found
        for command in ("create", "start", "exec"):
            for which in (FIRST, CHILD) if command != "start" else (FIRST,):
                counts: Counter[str] = Counter()
                for name in self.list(command, which)["calls"]:
                    counts[name] += 1
                    point = Point([which, INIT, name, str(counts[name]), ""])
                    if name not in NEVER_STRUCK:
                        found.append(Case(command, point, "before", ERROR))
                    found.append(Case(command, point, "before", KILL_HELPER))
        return found

    def list(self, command: str, trace: str) -> dict[str, Any]:
        """The command without a fault, and what it told of."""
        steps = self.commands.up_to(command)
        request = {"do": "list", "steps": steps, "clean": self.commands.lines["delete"], "trace": trace}
        answer = self.ask(request)
        problems = [" ".join(fields[1:]) for fields in answer["report"] if fields[0] == "problem"]
        if answer["problem"] or answer["status"] or problems:
            what = f"{answer['problem']} {problems} {answer['stderr']}"
            raise AssertionError(f"{self.bundle.name}, {command} without a fault: {what}")
        return answer

    def commit(self, case: Case, again: bool) -> "Outcome":
        """One fault; again: another life afterwards."""
        point = case.point
        request = {
            "do": "commit",
            "steps": self.commands.up_to(case.command),
            "fault": [point.role, point.kind, point.name, point.index, case.moment, case.action],
            "clean": self.commands.lines["delete"],
            # What these did, they undo themselves.
            "undone": case.command in ("create", "run"),
            # An exec that fails is none of the container's business.
            "unharmed": case.command == "exec" and case.action in (ERROR, KILL_RUNTIME),
            "again": [self.commands.lines["create"], self.commands.lines["delete"]] if again else [],
        }
        return Outcome(case, self.ask(request))


class Outcome:
    """What came of a fault; `problems` is empty when pyrunc survived it."""

    def __init__(self, case: Case, answer: dict[str, Any]) -> None:
        self.case = case
        self.struck = bool(answer["struck"])
        self.call = str(answer["call"]).partition(" = ")[0]
        self.status = int(answer["status"])
        self.stderr = str(answer["stderr"]).strip()
        self.problems: list[str] = list(answer["problems"])
        if answer["late"]:
            self.problems.append("the command hung")
        if self.struck:
            self.problems += self.judge()

    def judge(self) -> list[str]:
        """What is wrong with how the command ended."""
        case, point = self.case, self.case.point
        found = []
        if "internal error" in self.stderr or "Traceback" in self.stderr:
            found.append("it says that there is a bug")
        if case.action == ERROR and point.kind in OPERATIONS:
            if self.status == 0 and not self.may_go_on():
                found.append("the command succeeded")
            if point.name not in self.stderr:
                found.append(f"the error does not name the operation, {point.name}")
            if point.place not in self.stderr:
                found.append(f"the error does not name the place in config.json, {point.place}")
        # That a program was killed, its status says; exec's has been since pyrunc-init knew all that it needs.
        if self.status > 0 and not self.stderr and (case.command, self.status) != ("exec", 137):
            found.append("no word about what went wrong")
        return found

    def may_go_on(self) -> bool:
        """Whether the specification wants the command to go on: a poststop hook that fails is only told of."""
        return self.case.point.kind == HOOK and self.case.command == "delete"

    def __str__(self) -> str:
        problems = "; ".join(self.problems)
        return f"{self.case}: {problems}\n    status {self.status}, stderr: {self.stderr or '(nothing)'}"


class Tally:
    """The numbers: by bundle, kind and action, how many faults were injected, and how many of them survived."""

    def __init__(self) -> None:
        self.injected: Counter[tuple[str, str, str]] = Counter()
        self.survived: Counter[tuple[str, str, str]] = Counter()
        self.tolerated: Counter[str] = Counter()
        self.missed: list[str] = []
        self.failures: list[str] = []
        self.lives_after = 0

    def add(self, bundle: str, outcome: Outcome) -> None:
        """Counts one outcome."""
        case = outcome.case
        key = (bundle, case.point.kind, case.action)
        if not outcome.struck:
            self.missed.append(f"{bundle}: {case}")
        else:
            self.injected[key] += 1
            self.survived[key] += not outcome.problems
            if case.action == ERROR and outcome.status == 0:
                self.tolerated[f"{case.command}: {outcome.call or case.point.name}"] += 1
        if outcome.problems:
            self.failures.append(f"{bundle}: {outcome}")

    def merge(self, other: "Tally") -> None:
        """Adds another's numbers."""
        self.injected += other.injected
        self.survived += other.survived
        self.tolerated += other.tolerated
        self.missed += other.missed
        self.failures += other.failures
        self.lives_after += other.lives_after


def torment(victim: Victim, cases: list[Case], tally: Tally, until: "float | None" = None) -> None:
    """Commits faults until they or the time (of time.monotonic()) are at an end, but at least LEAST.

    Another life follows the first fault of each kind, and then every 20th.
    """
    lived: set[str] = set()
    for number, case in enumerate(cases):
        if until is not None and number >= LEAST and time.monotonic() > until:
            return
        kind = case.point.kind
        again = kind not in lived or number % 20 == 0
        lived.add(kind)
        tally.lives_after += again
        tally.add(victim.bundle.name, victim.commit(case, again))


def assert_survived(victim: Victim, cases: list[Case], until: "float | None" = None) -> None:
    """Commits faults as torment() does, one at least; each has to be survived."""
    tally = Tally()
    torment(victim, cases, tally, until)
    assert tally.injected
    assert not tally.failures, "\n".join(tally.failures)


def sampled(cases: list[Case], seed: int) -> list[Case]:
    """All cases in an order in which the first few are of every kind and every command."""
    cases = list(cases)
    random.Random(seed).shuffle(cases)
    seen: Counter[tuple[str, str, str]] = Counter()
    ranks = []
    for number, case in enumerate(cases):
        key = (case.command, case.point.kind, case.action)
        ranks.append((seen[key], number))
        seen[key] += 1
    return [cases[number] for _, number in sorted(ranks)]


def table(tally: Tally) -> str:
    """The numbers by bundle and kind, and by action and kind, in Markdown; survived/injected where they differ."""

    def row(title: str, bundle: str, action: str) -> str:
        cells = [title]
        for kind in (*KINDS, ""):
            keys = [key for key in tally.injected if all(not want or want in key for want in (bundle, kind, action))]
            injected, survived = (sum(count[key] for key in keys) for count in (tally.injected, tally.survived))
            cells.append(str(injected) if injected == survived else f"{survived}/{injected}")
        return f"| {' | '.join(cells)} |\n"

    bundles = list(dict.fromkeys(bundle for bundle, _, _ in tally.injected))
    head = f"| | {' | '.join(KINDS)} | all |\n|---|{'---:|' * (len(KINDS) + 1)}\n"
    rows = [row(bundle, bundle, "") for bundle in bundles] + [row("**all**", "", "")]
    return head + "".join(rows + [row(f"of these: {action}", "", action) for action in ACTIONS])


def numbers(tally: Tally) -> dict[str, Any]:
    """The same for a file of JSON, with every failure."""
    return {
        "faults": [
            {"bundle": bundle, "kind": kind, "action": action, "injected": count, "survived": tally.survived[key]}
            for key, count in tally.injected.items()
            for bundle, kind, action in [key]
        ],
        "injected": sum(tally.injected.values()),
        "survived": sum(tally.survived.values()),
        "lives after a fault": tally.lives_after,
        "went on": dict(tally.tolerated),
        "not reached": tally.missed,
        "failures": tally.failures,
    }
