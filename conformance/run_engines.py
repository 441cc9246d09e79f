"""The command `conformance/engines`: what engines do with a runtime, beside the same with runc."""

import argparse
import importlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from conformance import enclosure
from conformance.engine.base import Engine
from conformance.engine.operation import OPERATIONS, CannotRun, Operation
from conformance.report import page, table
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome, Run
from tests.support.rootfs import RootTemplate

CONTAINERS = ("container_life", "container_options", "load")
# Name of the engine: its module and class, and the modules with its operations.
ENGINES = {
    "podman": ("podman", "Podman", (*CONTAINERS, "podman_more", "podman_options", "podman_pods")),
    "podman-rootless": (
        "podman_rootless",
        "PodmanRootless",
        ("container_life", "container_options", "podman_rootless_operations"),
    ),
    "docker-userns": ("docker", "DockerUserns", (*CONTAINERS, "docker_more", "docker_build")),
    "docker": ("docker", "Docker", (*CONTAINERS, "docker_more", "docker_build", "docker_services")),
    "containerd": ("containerd", "Containerd", ("containerd_operations",)),
    "cri": ("cri", "Cri", ("cri_operations",)),
    "buildah": ("buildah", "Buildah", ("buildah_operations",)),
}
PACKAGE = "conformance.engine"
END = "the end: no process and no cgroup is left"


class Chosen(NamedTuple):
    """Which operations are performed: one of each kind, those with a text in their names."""

    core: bool
    text: str

    def has(self, one: Operation) -> bool:
        """Whether this is one of them."""
        return (one.core or not self.core) and self.text in one.name


def main(argv: "list[str] | None" = None) -> int:
    """Performs one command line; 1 when an operation that runc does fails with the runtime."""
    options = parsed(argv)
    enclosure.enter("conformance.run_engines", sys.argv[1:] if argv is None else argv)
    names = options.engine or list(ENGINES)
    runtimes = [Path(found) for found in map(shutil.which, (options.runtime, options.control)) if found]
    if not runtimes or shutil.which(options.runtime) is None:
        sys.stderr.write(f"conformance/engines: {options.runtime}: no such command\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="pyrunc-eng-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # mapped users go through it
        image = make_image(folder)
        runs = [Run(str(path), version_of(path), f"Linux {platform.release()}") for path in runtimes]
        chosen = Chosen(options.core, options.operation)
        for engine in names:
            for run in runs:
                runtime = Path(run.runtime).absolute()
                run.outcomes += engine_outcomes(engine, folder / "e", runtime, image, chosen)
    if len(runs) > 1:
        only_counted(*runs)
    write(options, runs)
    return int(runs[0].count(FAIL) > 0)


def parsed(argv: "list[str] | None") -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("conformance/engines", description=__doc__)
    parser.add_argument("--runtime", metavar="PATH", default="build/pyrunc", help="the runtime (default: build/pyrunc)")
    parser.add_argument("--control", metavar="PATH", default="runc", help="what has to do it, too (default: runc)")
    parser.add_argument("--engine", action="append", choices=list(ENGINES), help="only this engine (may be repeated)")
    parser.add_argument("--core", action="store_true", help="only one operation of each kind")
    parser.add_argument("--operation", metavar="TEXT", default="", help="only operations with this text in their names")
    parser.add_argument("--json", metavar="FILE", help="write JSON")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained HTML page")
    return parser.parse_args(argv)


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


def engine_outcomes(name: str, folder: Path, runtime: Path, image: Path, chosen: Chosen) -> list[Outcome]:
    """All operations of one engine with one runtime."""
    module, kind, operations = ENGINES[name]
    for one in operations:
        importlib.import_module(f"{PACKAGE}.{one}")
    wanted = [one for one in OPERATIONS if one.engine == name and chosen.has(one)]
    folder.mkdir(mode=0o755)
    engine: Engine = getattr(importlib.import_module(f"{PACKAGE}.{module}"), kind)(folder, runtime, image)
    try:
        outcomes = attempted(engine, wanted)
    finally:
        end = performed(engine, Operation(name, END, lambda one: one.stop(), True, 60), len(wanted) + 1)
        shutil.rmtree(folder, ignore_errors=True)
    return [*outcomes, end]


def attempted(engine: Engine, wanted: list[Operation]) -> list[Outcome]:
    """The operations, or none of them where the engine cannot run."""
    try:
        engine.start()
        return [performed(engine, one, number) for number, one in enumerate(wanted, 1)]
    except CannotRun as reason:
        return [Outcome(number, engine.name, "", one.name, SKIP, str(reason)) for number, one in enumerate(wanted, 1)]


def performed(engine: Engine, one: Operation, number: int) -> Outcome:
    """One operation."""
    began = time.monotonic()
    result, reason = PASS, ""
    try:
        one.action(engine)
    except CannotRun as error:
        result, reason = SKIP, str(error)
    except (AssertionError, OSError, ValueError, LookupError) as error:
        result, reason = FAIL, str(error) or "the answer was another one"
    seconds = round(time.monotonic() - began, 3)
    told = f": {reason.splitlines()[0]}" if reason else ""
    sys.stderr.write(f"{one.engine}: {one.name}: {result} ({engine.runtime.name}, {seconds:.2f} s){told}\n")
    return Outcome(number, one.engine, "", one.name, result, reason, seconds)


def only_counted(run: Run, control: Run) -> None:
    """An operation that the control does not pass here says nothing about the runtime."""
    for mine, theirs in zip(run.outcomes, control.outcomes, strict=True):
        if mine.result == FAIL and theirs.result != PASS:
            mine.result = SKIP
            mine.reason = f"cannot run here (fails with the control, too): {theirs.reason}"


def write(options: argparse.Namespace, runs: list[Run]) -> None:
    """The reports that are asked for, the table, and the times as a ratio."""
    table.show_engines(runs)
    if options.json:
        Path(options.json).write_text(json.dumps([run.as_dict() for run in runs], indent=1) + "\n")
    if options.html:
        Path(options.html).write_text(page.written(runs, "Engines"))


if __name__ == "__main__":
    sys.exit(main())
