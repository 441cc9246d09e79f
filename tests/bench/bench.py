"""What is measured, how often and in which order."""

import argparse
import functools
import os
import random
import shlex
import shutil
import sys
import typing

from tests.bench.bundles import NAME, default_config, docker_config, make_rootfs, write_bundle
from tests.bench.library import Interpreter
from tests.bench.processes import Failed, Stage
from tests.bench.report import BARE, CRUN_BARE, WARM, Samples
from tests.bench.runtimes import CGROUP, Runtime, end_descendants, life_cycle, memory, namespace_for_crun

WARM_UP = 3

Task = tuple[str, typing.Callable[[], dict[str, float]]]
"""The runtime's name, and what returns measurement -> value."""


class Bench:
    """One run of the benchmark: bundles in the directory `temporary`, state roots in `roots`."""

    def __init__(self, options: argparse.Namespace, temporary: str, roots: str) -> None:
        self.rounds: int = options.rounds
        self.warm_rounds: int = options.warm
        self.temporary = temporary
        self.roots = roots
        self.stage = Stage(os.path.join(temporary, "output"))
        self.pid_file = os.path.join(temporary, "pid")
        self.samples: Samples = {}
        self.notes: list[str] = []
        self.number = 0
        self.interpreter = [os.path.realpath(sys.executable)]
        self.runtimes: list[Runtime] = []
        self.find_runtimes(options)
        self.make_bundles(options.corpus)

    # what is compared

    def find_runtimes(self, options: argparse.Namespace) -> None:
        """The runtimes that are there and answer --version."""
        for name, given in (("pyrunc", options.pyrunc), ("runc", options.runc), ("crun", options.crun)):
            path = shutil.which(given)
            if path is None:
                self.notes.append(f"{name}: {given} is not there")
                continue
            path = os.path.abspath(path)
            if name == "pyrunc":
                self.interpreter = shebang(path)
            self.runtimes.append(Runtime(name, path, os.path.join(self.roots, name)))
            if name == "crun":
                options_bare = ["--cgroup-manager=disabled"]
                self.runtimes.append(Runtime(CRUN_BARE, path, os.path.join(self.roots, "crun-bare"), options_bare))
        if any(runtime.name == "crun" for runtime in self.runtimes):
            namespace = namespace_for_crun()
            if namespace is not None:
                self.notes.append(
                    "crun: started in a mount namespace that hides cgroup2's controllers: it refuses hybrid hosts"
                )
            for runtime in self.runtimes:
                if runtime.name.startswith("crun"):
                    runtime.namespace = namespace

    def named(self, name: str) -> Runtime | None:
        """The runtime of that name, if it is there."""
        return next((runtime for runtime in self.runtimes if runtime.name == name), None)

    def make_bundles(self, corpus: str) -> None:
        """The bundles: `true` to run, `sleep` for life cycles; default and docker's config."""
        rootfs = os.path.join(self.temporary, "rootfs")
        make_rootfs(rootfs)
        author = self.named("runc") or self.named("pyrunc") or self.named("crun")
        if author is None:
            raise SystemExit("bench: no runtime is there")
        spec = os.path.join(self.temporary, "spec")
        os.mkdir(spec)
        if author.name == "crun":
            self.crun_spec(author, spec)
        else:
            author.call(self.stage, "spec", "--bundle", spec)
        with open(os.path.join(spec, "config.json"), encoding="utf-8") as file:
            default = default_config(file.read())
        binds = os.path.join(self.temporary, "binds")
        os.mkdir(binds)
        docker = docker_config(corpus, binds)

        def bundle(name: str, config: dict[str, typing.Any], args: list[str]) -> str:
            return write_bundle(os.path.join(self.temporary, name), config, rootfs, args)

        self.default = bundle("default", default, ["/bin/true"])
        self.docker = bundle("docker", docker, ["/bin/true"])
        self.sleeper = bundle("sleeper", default, ["/bin/sleep", "1000"])

    def crun_spec(self, crun: Runtime, directory: str) -> int:
        """`crun spec` writes into the working directory only."""
        return self.stage.time(
            ["/bin/sh", "-c", f"cd {shlex.quote(directory)} && exec {shlex.quote(crun.path)} spec"], crun.namespace
        )

    # measuring

    def container(self) -> str:
        """An id that was not used before."""
        self.number += 1
        return f"{NAME}-{self.number}"

    def record(self, measurement: str, runtime: str, value: float) -> None:
        """One sample."""
        self.samples.setdefault(measurement, {}).setdefault(runtime, []).append(value)

    def run(self, measurement: str, runtime: Runtime, bundle: str) -> dict[str, float]:
        """`run` of a whole container."""
        container = self.container()
        try:
            return {measurement: runtime.call(self.stage, "run", "--bundle", bundle, container) / 1e6}
        except (Failed, TimeoutError):
            runtime.clean(self.stage, container)
            raise

    def commands(self, runtime: Runtime) -> dict[str, float]:
        """Every command of a container's life."""
        container = self.container()
        try:
            times = life_cycle(runtime, self.stage, self.sleeper, container, self.pid_file)
            return {name: ns / 1e6 for name, ns in times.items()}
        except (Failed, TimeoutError):
            runtime.clean(self.stage, container)
            raise

    def memory(self, runtime: Runtime) -> dict[str, float]:
        """Bytes of a created container."""
        container = self.container()
        try:
            return dict(memory(runtime, self.stage, self.default, container, self.pid_file))
        except (Failed, TimeoutError):
            runtime.clean(self.stage, container)
            raise

    def tasks(self) -> list[Task]:
        """(runtime, what it does in one round) for all that is compared."""
        bare = [*self.interpreter[:1], "-I", "-S", "-c", "pass"]
        found: list[Task] = [(BARE, lambda: {BARE: self.stage.time(bare) / 1e6})]

        for runtime in self.runtimes:
            for measurement, bundle in (("run, default bundle", self.default), ("run, docker config", self.docker)):
                found.append((runtime.name, functools.partial(self.run, measurement, runtime, bundle)))
            if runtime.name != CRUN_BARE:
                found.append((runtime.name, functools.partial(self.commands, runtime)))
        return found

    def repeat(self, tasks: list[Task], rounds: int, what: str) -> None:
        """All tasks once unmeasured, then `rounds` times in shuffled order.  A task that fails is noted and dropped."""
        tasks = list(tasks)
        for number in range(rounds + 1):
            progress(f"{what}: round {number} of {rounds}")
            random.shuffle(tasks)
            for task in list(tasks):
                name, perform = task
                try:
                    values = perform()
                except (Failed, TimeoutError) as error:
                    self.notes.append(f"{name}: cannot take part in {what}: {error}")
                    tasks.remove(task)
                    continue
                if number > 0:  # the first round fills caches
                    for measurement, value in values.items():
                        self.record(measurement, name, value)

    def memories(self) -> list[Task]:
        """(runtime, what measures its memory once)."""
        found: list[Task] = []
        for runtime in self.runtimes:
            if runtime.name != CRUN_BARE:
                found.append((runtime.name, functools.partial(self.memory, runtime)))
        return found

    def warm(self) -> None:
        """Whole containers in one interpreter, alternating with `crun run` without a cgroup."""
        pyrunc, crun = self.named("pyrunc"), self.named(CRUN_BARE)
        if pyrunc is None:
            return
        worker = Interpreter(self.interpreter[0], pyrunc.path, os.path.join(self.roots, "warm"), self.default)
        start: tuple[int, int, int] | None = None
        last: tuple[int, int, int] | None = None
        try:
            for number in range(-WARM_UP, self.warm_rounds):
                progress(f"warm library: container {number} of {self.warm_rounds}")
                turns = ["pyrunc", CRUN_BARE] if crun is not None else ["pyrunc"]
                random.shuffle(turns)
                for turn in turns:
                    if turn == "pyrunc":
                        last = worker.container()
                        value = last[0] / 1e6
                        start = last if number < 0 else start
                    elif crun is not None:
                        value = self.run(WARM, crun, self.default)[WARM]
                    if number >= 0:
                        self.record(WARM, turn, value)
        except (Failed, EOFError) as error:
            self.notes.append(f"warm library: {error}")
        finally:
            worker.close()
        measured = self.samples.get(WARM, {}).get("pyrunc", [])
        if start is not None and last is not None and len(measured) == self.warm_rounds:
            self.record("warm descriptors gained", "pyrunc", last[1] - start[1])
            self.record("warm kB gained", "pyrunc", last[2] - start[2])

    def left_behind(self) -> list[str]:
        """Processes, cgroups and mounts that are still there; they are removed as far as that is possible."""
        left = [f"process {pid}" for pid in end_descendants()]
        for hierarchy in (CGROUP, *(entry.path for entry in os.scandir(CGROUP) if entry.is_dir())):
            for entry in list(os.scandir(hierarchy)):
                if entry.is_dir() and entry.name.startswith(NAME):
                    for directory, _, _ in os.walk(entry.path, topdown=False):
                        if directory != os.path.join(
                            hierarchy, NAME
                        ):  # the parent in cgroupsPath is nobody's to remove
                            left.append(f"cgroup {directory}")
                        os.rmdir(directory)
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            left += [f"mount {line.split()[4]}" for line in file if self.temporary in line or self.roots in line]
        return left


def shebang(path: str) -> list[str]:
    """The interpreter that a command made by tools/make_launcher.py names, with its options."""
    with open(path, "rb") as file:
        first, second = os.fsdecode(file.readline(256)), os.fsdecode(file.readline(4096))
    if first.startswith("#!/bin/sh"):  # its path is too long for the first line
        return [*second.split('"')[1:2], "-IS"]
    if not first.startswith("#!/"):
        raise SystemExit(f"bench: {path} does not name its interpreter in the first line")
    return first[2:].split()


def progress(text: str) -> None:
    """Shows where the benchmark is, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
