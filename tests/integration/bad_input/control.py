"""Commands on a container that is there: its processes, its limits."""

from collections.abc import Callable
from pathlib import Path

from tests.integration.bad_input.case import Case, World, both, created, running, stopped
from tests.integration.bad_input.containers import paused


def path_of(folder: str) -> Callable[[World], None]:
    """PATH is this folder alone."""

    def prepare(world: World) -> None:
        world.environment["PATH"] = world.fill(folder)

    return prepare


def ps_that_prints(text: str, status: int = 0) -> Callable[[World], None]:
    """The host's ps prints this and ends with that status."""

    def prepare(world: World) -> None:
        program = Path(world.folder / "ps")
        program.write_text(f"#!/bin/sh\nprintf %s '{text}'\nexit {status}\n")
        program.chmod(0o755)
        world.environment["PATH"] = f"{world.folder}:/usr/bin:/bin"

    return prepare


CASES = [
    Case(
        "pause of a missing one",
        "pyrunc pause failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="pause {id}",
    ),
    Case(
        "pause of a paused one",
        "pyrunc pause failed: {id}: container not running",
        prepare=paused,
        command="pause {id}",
    ),
    Case(
        "pause of a stopped one",
        "pyrunc pause failed: {id}: container not running",
        prepare=stopped,
        command="pause {id}",
    ),
    Case(
        "resume of a created one",
        "pyrunc resume failed: {id}: container not paused",
        prepare=created,
        command="resume {id}",
    ),
    Case(
        "resume of a running one",
        "pyrunc resume failed: {id}: container not paused",
        prepare=running,
        command="resume {id}",
    ),
    Case(
        "resume of a stopped one",
        "pyrunc resume failed: {id}: container not paused",
        prepare=stopped,
        command="resume {id}",
    ),
    Case(
        "ps of a missing one",
        "pyrunc ps failed: {id}: container does not exist\nhint: there is no container {id} in {root}",
        command="ps {id}",
    ),
    Case(
        "ps in an unknown format",
        "pyrunc ps failed: {id}: invalid format option\nhint: --format takes table or json",
        prepare=running,
        command="ps --format xml {id}",
    ),
    Case(
        "ps without the pid",
        "pyrunc ps failed: {id}: couldn't find PID field in ps output\nhint: give ps options that show the PID",
        prepare=running,
        command="ps {id} -o comm",
    ),
    Case(
        "ps with a column before the pid that has blanks",
        "pyrunc ps failed: {id}: unable to parse pid: '{number} a b 1'\n"
        "hint: only ps options with plain columns will do",
        prepare=both(running, ps_that_prints("PPID ARGS PID\n1 a b 1\n")),
        command="ps {id}",
    ),
    Case(
        "ps that fails",
        "pyrunc ps failed: {id}: exit status 3: no such option",
        prepare=both(running, ps_that_prints("no such option\n", 3)),
        command="ps {id} -x",
    ),
    Case(
        "ps where there is none",
        'pyrunc ps failed: {id}: exec: "ps": executable file not found in $PATH\nhint: --format json needs no ps',
        prepare=both(running, path_of("{tmp}")),
        command="ps {id}",
    ),
]
