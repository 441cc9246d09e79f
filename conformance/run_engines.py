"""The command `conformance/engines`: what engines do with a runtime, beside the same with runc."""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance import enclosure, lane
from conformance.engine import catalogue
from conformance.engine.base import cgroups_below
from conformance.report import page, table
from conformance.report.outcome import FAIL, Outcome, Run
from tests.support.rootfs import RootTemplate

GRACE = 40  # seconds for lanes that are to end early


def main(argv: "list[str] | None" = None) -> int:
    """Performs one command line; 1 when an operation that runc does fails with the runtime."""
    options = parsed(argv)
    runtime, control = (shutil.which(name) for name in (options.runtime, options.control))
    if runtime is None:
        sys.stderr.write(f"conformance/engines: {options.runtime}: no such command\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("conformance/engines: engines are started by root only\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    paths = [Path(found).absolute() for found in (runtime, control) if found]
    runs = [Run(str(path), version_of(path), f"Linux {platform.release()}") for path in paths]
    found = performed(options, paths)
    if found is None:
        sys.stderr.write("conformance/engines: it ended early\n")
        return 2
    for name in options.engine or list(catalogue.ENGINES):
        for run, outcomes in zip(runs, found.get(name, []), strict=False):
            run.outcomes += outcomes
    write(options, runs)
    return int(runs[0].count(FAIL) > 0)


def parsed(argv: "list[str] | None") -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("conformance/engines", description=__doc__)
    parser.add_argument("--runtime", metavar="PATH", default="build/pyrunc", help="the runtime (default: build/pyrunc)")
    parser.add_argument("--control", metavar="PATH", default="runc", help="what has to do it, too (default: runc)")
    parser.add_argument(
        "--engine", action="append", choices=list(catalogue.ENGINES), help="only this engine (may be repeated)"
    )
    parser.add_argument("--core", action="store_true", help="only one operation of each kind")
    parser.add_argument("--operation", metavar="TEXT", default="", help="only operations with this text in their names")
    parser.add_argument("--parallel", action="store_true", help="two engines at a time; the times say less then")
    parser.add_argument("--within", metavar="SECONDS", type=float, default=7200, help="leave out what begins later")
    parser.add_argument("--json", metavar="FILE", help="write JSON")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained HTML page")
    return parser.parse_args(argv)


def performed(options: argparse.Namespace, paths: list[Path]) -> "dict[str, list[list[Outcome]]] | None":
    """The outcomes by engine, for each runtime; None when a lane did not come to its end."""
    plan = {
        "runtime": str(paths[0]),
        "control": str(paths[1]) if len(paths) > 1 else "",
        "core": options.core,
        "text": options.operation,
        "seconds": options.within,
    }
    lanes: dict[int, list[str]] = {}
    for name in options.engine or list(catalogue.ENGINES):
        lanes.setdefault(catalogue.ENGINES[name].lane if options.parallel else 0, []).append(name)
    with work_folder() as folder, enclosure.places(), no_cgroup_left():
        plan["image"] = str(make_image(folder))
        started = []
        try:
            for number, names in lanes.items():
                place = folder / str(number)
                place.mkdir(mode=0o755)
                (place / "plan.json").write_text(json.dumps({**plan, "engines": names}))
                started.append((place, enclosure.begin("conformance.lane", str(place / "plan.json"))))
            for _, process in started:
                process.wait()
        finally:
            for _, process in started:
                end(process)
        return outcomes_of([place / lane.OUTCOMES for place, _ in started])


def outcomes_of(files: list[Path]) -> "dict[str, list[list[Outcome]]] | None":
    """What the lanes have written."""
    found = {}
    for file in files:
        if not file.exists():
            return None
        for name, both in json.loads(file.read_text()).items():
            found[name] = [[Outcome(**one) for one in outcomes] for outcomes in both]
    return found


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a lane that still runs: at first it may clean up."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    process.kill()
    process.wait()


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for all state, which is removed when nothing is mounted there any more."""
    folder = Path(tempfile.mkdtemp(prefix="pyrunc-eng-", dir="/var/tmp"))
    folder.chmod(0o755)  # mapped users go through it
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def no_cgroup_left() -> Iterator[None]:
    """Removes the cgroups of lanes that were killed."""
    names = {name for engine in catalogue.ENGINES for name in catalogue.kind_of(engine).parents}
    known = {path for name in names for path in cgroups_below(name)}
    try:
        yield
    finally:
        for path in sorted({path for name in names for path in cgroups_below(name)} - known, reverse=True):
            with contextlib.suppress(OSError):  # its processes belong to somebody else
                path.rmdir()


def make_image(folder: Path) -> Path:
    """The tar file of a root file system: busybox and the probe."""
    root = RootTemplate(folder).make(folder / "image")
    archive = folder / "image.tar"
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    shutil.rmtree(root)
    return archive


def version_of(runtime: Path) -> str:
    """The first line of what the runtime says of itself."""
    return subprocess.run([runtime, "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def write(options: argparse.Namespace, runs: list[Run]) -> None:
    """The reports that are asked for, the table, and the times as a ratio."""
    table.show_engines(runs)
    if options.json:
        Path(options.json).write_text(json.dumps([run.as_dict() for run in runs], indent=1) + "\n")
    if options.html:
        Path(options.html).write_text(page.written(runs, "Engines"))


if __name__ == "__main__":
    sys.exit(main())
