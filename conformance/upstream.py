"""The validation programs of the specification's own project (opencontainers/runtime-tools), run and read.

They take the runtime's command from $RUNTIME and look for `runtimetest` and the archive of a root file system in the
folder that they are started in.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from conformance.engine.base import unmount_below
from conformance.report import tap_reader
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome, Point
from tests.support import processes
from tests.support.runtime import ENVIRONMENT

LEVEL = "upstream validation"
INSIDE = "runtimetest"  # what they run in containers
SHOWN = 20  # points that did not pass, in a reason


class NoPrograms(Exception):
    """The folder is none of built validation programs; the message says what is missing."""


class Suite(NamedTuple):
    """start: the folder that they are started in; programs: below the folder that was named."""

    start: Path
    folder: Path
    programs: list[Path]


def suite(named: Path) -> Suite:
    """The built programs in and below a folder.  Raises NoPrograms."""
    folder = named.resolve()
    programs = sorted(path for path in folder.rglob("*.t") if path.is_file() and os.access(path, os.X_OK))
    if not programs:
        raise NoPrograms(f"{named}: no *.t that can be executed (make validation-executables builds them)")
    for start in (folder, *folder.parents):
        if (start / INSIDE).exists():
            return Suite(start, folder, programs)
    raise NoPrograms(f"{named}: {INSIDE} is neither there nor above (make runtimetest builds it)")


def outcomes(found: Suite, runtime: Sequence[str], limit: float) -> list[Outcome]:
    """Runs all programs.  limit: seconds for each."""
    processes.become_subreaper()
    made = []
    for number, program in enumerate(found.programs, 1):
        began = time.monotonic()
        result, reason, points = outcome(program, found.start, runtime, limit)
        seconds = round(time.monotonic() - began, 3)
        section = str(program.relative_to(found.folder))
        made.append(Outcome(number, LEVEL, section, program.stem, result, reason, seconds, points))
        sys.stderr.write(f"{section}: {result} ({seconds:.1f} s)\n")
    return made


def outcome(program: Path, start: Path, runtime: Sequence[str], limit: float) -> tuple[str, str, list[Point]]:
    """(result, reason, points) of one program, of which nothing is left."""
    with tempfile.TemporaryDirectory(prefix="conformance-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        place = Path(name)
        place.chmod(0o755)  # users of other namespaces go through it
        output, errors = place / "output", place / "errors"
        command = wrapper(place, runtime)
        (place / "tmp").mkdir()
        environment = {**ENVIRONMENT, "RUNTIME": str(command), "TMPDIR": str(place / "tmp"), "HOME": name}
        running = set(processes.descendants(os.getpid()))
        try:
            end = ended(program, start, environment, (output, errors), limit)
        finally:
            left = remove_containers(place, command)
            processes.end([pid for pid in processes.descendants(os.getpid()) if pid not in running])
            unmount_below(place)
        report = tap_reader.read(output.read_text(errors="replace"))
        words = errors.read_text(errors="replace").strip()
    result, reason = judged(report, end, words)
    if left and result == PASS:
        reason += f"; containers were left: {', '.join(left)}"
    return result, reason, report.points


def wrapper(place: Path, runtime: Sequence[str]) -> Path:
    """A command without arguments for $RUNTIME: the runtime, its global options, and a state root of its own."""
    script = place / "runtime"
    words = " ".join(map(quote, [runtime[0], "--root", str(place / "state"), *runtime[1:]]))
    script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    script.chmod(0o755)
    return script


def ended(
    program: Path, start: Path, environment: dict[str, str], files: tuple[Path, Path], limit: float
) -> "int | None":
    """The exit status of the program, negative for a signal; None when the time was over and it was killed."""
    with open(files[0], "wb") as output, open(files[1], "wb") as errors:
        process = subprocess.Popen(
            [program],
            cwd=start,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def remove_containers(place: Path, command: Path) -> list[str]:
    """Removes the containers that are still there, by the runtime's own means; their ids."""
    try:
        found = sorted(path.name for path in (place / "state").iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    known = [one for one in found if asked(command, "state", one)]
    for one in known:
        asked(command, "delete", "--force", one)
    return known


def asked(command: Path, *arguments: str) -> bool:
    """Whether a call of the runtime succeeds."""
    try:
        return subprocess.run([command, *arguments], capture_output=True, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def judged(report: tap_reader.Report, end: "int | None", words: str) -> tuple[str, str]:
    """(result, reason) of a program by its report, how it ended, and what it wrote to its standard error."""
    failed = [one for one in report.points if one.result == FAIL]
    skipped = [one for one in report.points if one.result == SKIP]
    problems = [] if end == 0 else [how(end), *words.splitlines()[-SHOWN:]]
    problems += report.errors
    if failed or problems:
        lines = [f"{len(failed)} of {len(report.points)} points failed"] if failed else []
        return FAIL, "\n".join([*problems[:1], *lines, *problems[1:], *listed(failed)])
    if not report.points and report.planned is None:
        return FAIL, "it reported nothing"
    if len(skipped) == len(report.points):
        reasons = dict.fromkeys(one.reason for one in skipped)
        return SKIP, report.why or "; ".join(reasons) or "its report has no points"
    return PASS, f"{len(report.points)} points" + (f", {len(skipped)} of them left out" if skipped else "")


def how(end: "int | None") -> str:
    """The end of a program in words."""
    if end is None:
        return "it was not done in time"
    return f"it ended with status {end}" if end > 0 else f"it was ended by {signal.Signals(-end).name}"


def listed(points: Sequence[Point]) -> list[str]:
    """Points with their reasons, not too many."""
    lines = [f"{one.title}: {one.reason}" if one.reason else one.title for one in points[:SHOWN]]
    return [*lines, f"... and {len(points) - SHOWN} more"] if len(points) > SHOWN else lines
