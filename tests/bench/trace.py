"""Takes one `pyrunc run` of /bin/true apart: phases, imports, and the system calls that cost most.

    python tests/bench/trace.py --pyrunc build/pyrunc [--docker] [--repeat N]

Phases come from strace, which stops only the few calls that mark them (seccomp-bpf), so that their shares are
near the truth; the untraced time stands beside the sum.  Needs root, strace and a static busybox.
"""

import argparse
import collections
import os
import shutil
import statistics
import sys
import tempfile
import typing

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.bench import Bench, shebang
from tests.bench.bundles import NAME
from tests.bench.processes import Failed, become_subreaper
from tests.bench.run import CORPUS, REPOSITORY, TMPFS
from tests.bench.runtimes import Runtime
from tests.bench.strace_log import Call, read

MARKERS = (
    "execve,execveat,clone,clone3,fork,vfork,openat,openat2,mkdir,mkdirat,rename,renameat,renameat2,setns,exit_group"
)

Matches = typing.Callable[[Call], bool]


def by(role: str, *names: str, having: str = "") -> Matches:
    """Matches successful calls of a role by name and a part of their arguments."""
    return lambda call: call.role == role and call.name in names and call.succeeded and having in call.arguments


def executes_program(call: Call) -> bool:
    """The helper becomes the user's program."""
    return call.role == "helper" and call.name.startswith("execve") and "/bin/true" in call.arguments and call.succeeded


def phases(pyrunc: str) -> list[tuple[str, Matches, bool]]:
    """(phase, the call that ends it, whether that call belongs to it), in order."""
    return [
        ("exec of the interpreter", by("runtime", "execve"), True),
        ("interpreter starts", by("runtime", "openat", having=os.path.basename(pyrunc)), False),
        ("imports", by("runtime", "openat", "openat2", having="config.json"), False),
        ("configuration, plan", by("runtime", "mkdir", "mkdirat", having=NAME), False),
        ("state directory, cgroup", by("runtime", "clone", "clone3", having="CLONE_NEW"), False),
        ("helper spawned", by("runtime", "clone", "clone3", having="CLONE_NEW"), True),
        ("into the cgroup, fork", by("runtime", "clone", "clone3", "fork", "vfork"), True),
        ("builder", by("builder", "exited"), True),
        ("until ready", by("runtime", "rename", "renameat", "renameat2", having="state.json"), True),
        ("until the program", executes_program, True),
        ("the program", by("helper", "exited"), True),
        ("clean-up", by("runtime", "exited"), True),
    ]


def split(calls: list[Call], wanted: list[tuple[str, Matches, bool]]) -> dict[str, float]:
    """Milliseconds of each phase.  A phase whose end is not seen is left out: the next one then holds its time."""
    result: dict[str, float] = {}
    at, index = calls[0].at, 0
    for name, matches, whole in wanted:
        found = next((i for i in range(index, len(calls)) if matches(calls[i])), None)
        if found is None:
            continue
        end = calls[found].end if whole else calls[found].at
        result[name] = max(0.0, end - at) * 1000
        at = max(at, end)
        index = found + 1 if whole else found
    return result


class Tracer:
    """`run` of one bundle under strace."""

    def __init__(self, bench: Bench, runtime: Runtime, bundle: str) -> None:
        self.bench = bench
        self.runtime = runtime
        self.bundle = bundle

    def run(self, *before: str) -> float:
        """Milliseconds of one run behind the words `before`."""
        container = self.bench.container()
        argv = [*before, *self.runtime.argv, "run", "--bundle", self.bundle, container]
        try:
            return self.bench.stage.time(argv) / 1e6
        except Failed:
            self.runtime.clean(self.bench.stage, container)
            raise

    def trace(self, *options: str) -> list[Call]:
        """All calls of one run."""
        with tempfile.TemporaryDirectory(prefix="pyrunc-test-trace-") as directory:
            strace = shutil.which("strace")
            if strace is None:
                raise SystemExit("trace: strace is not installed")
            self.run(strace, "-ff", "-ttt", "-T", "-s", "200", *options, "-o", os.path.join(directory, "t"))
            first = min(
                (read_first(os.path.join(directory, name)), int(name.rpartition(".")[2]))
                for name in os.listdir(directory)
            )
            return read(directory, first[1])


def read_first(path: str) -> float:
    """When a process's first line was written; the first of all is the runtime's."""
    with open(path, encoding="utf-8", errors="replace") as file:
        word = file.readline().split(" ", 1)[0]
    return float(word) if word else float("inf")


def print_phases(tracer: Tracer, repeat: int) -> None:
    """Medians of every phase over `repeat` runs."""
    wanted = phases(tracer.runtime.path)
    tracer.run()
    plain = statistics.median(tracer.run() for _ in range(repeat))
    all_runs: dict[str, list[float]] = {}
    for _ in range(repeat):
        for name, value in split(tracer.trace("--seccomp-bpf", "-e", f"trace={MARKERS}"), wanted).items():
            all_runs.setdefault(name, []).append(value)
    total = sum(statistics.median(values) for values in all_runs.values())
    print(f"phases, ms (median of {repeat}; untraced {plain:.2f}, traced {total:.2f})")
    for name, _, _ in wanted:
        if name in all_runs:
            value = statistics.median(all_runs[name])
            print(f"  {name:<28} {value:7.2f}  {100 * value / total:5.1f} %")
        else:
            print(f"  {name:<28}       -  (its end was not seen)")


def print_calls(tracer: Tracer, count: int) -> None:
    """The calls that took longest and the most frequent ones, by role.  A wait counts as what it waited for."""
    calls = [call for call in tracer.trace() if call.name != "exited"]
    time: collections.Counter[tuple[str, str]] = collections.Counter()
    number: collections.Counter[tuple[str, str]] = collections.Counter()
    for call in calls:
        time[call.role, call.name] += round(call.took * 1e6)
        number[call.role, call.name] += 1
    print(f"\nsystem calls: {len(calls)} in all; those that took longest (each is slower under strace)")
    for (role, name), spent in time.most_common(count):
        print(f"  {role:<8} {name:<18} {number[role, name]:5} calls {spent / 1000:8.2f} ms")
    print("most frequent")
    for (role, name), _ in number.most_common(count):
        print(f"  {role:<8} {name:<18} {number[role, name]:5} calls {time[role, name] / 1000:8.2f} ms")


def print_imports(tracer: Tracer, count: int) -> None:
    """What -X importtime says, the dearest first."""
    interpreter = shebang(tracer.runtime.path)
    tracer.run(interpreter[0], *interpreter[1:], "-X", "importtime")
    rows = []
    for line in tracer.bench.stage.text().splitlines():
        if line.startswith("import time:") and "self [us]" not in line:
            own, _, name = line.removeprefix("import time:").split("|")
            rows.append((int(own), name.strip()))
    ours = [row for row in rows if row[1].startswith(("pyrunc", "_shim"))]
    print(
        f"\nimports: {len(rows)} modules, {sum(row[0] for row in rows) / 1000:.2f} ms by -X importtime; "
        f"of pyrunc's own {len(ours)}: {sum(row[0] for row in ours) / 1000:.2f} ms"
    )
    for microseconds, name in sorted(rows, reverse=True)[:count]:
        print(f"  {name:<40} {microseconds / 1000:7.2f} ms")


def main() -> int:
    """Prints the three tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pyrunc", default=os.path.join(REPOSITORY, "build", "pyrunc"), help="the pyrunc to look at")
    parser.add_argument("--corpus", default=CORPUS, help="docker's config.json")
    parser.add_argument("--docker", action="store_true", help="with docker's config instead of the default one")
    parser.add_argument("--repeat", type=int, default=15, help="runs of which the median is taken")
    parser.add_argument("--count", type=int, default=15, help="lines of each list")
    options = parser.parse_args()
    options.runc, options.crun, options.rounds, options.warm = "runc", "crun", 0, 0
    become_subreaper()
    with (
        tempfile.TemporaryDirectory(prefix="pyrunc-test-trace-") as temporary,
        tempfile.TemporaryDirectory(prefix="pyrunc-test-trace-", dir=TMPFS) as roots,
    ):
        bench = Bench(options, temporary, roots)
        runtime = bench.named("pyrunc")
        if runtime is None:
            raise SystemExit(f"trace: {options.pyrunc} is not there")
        tracer = Tracer(bench, runtime, bench.docker if options.docker else bench.default)
        try:
            print_phases(tracer, options.repeat)
            print_calls(tracer, options.count)
            print_imports(tracer, options.count)
        finally:
            bench.left_behind()
    return 0


if __name__ == "__main__":
    sys.exit(main())
