"""Measures pyrunc beside runc and crun: the same bundles, in one run, in an order that is shuffled every round.

    python tests/bench/run.py --pyrunc build/pyrunc [--rounds N | --quick] [--json FILE] [--check]

Needs root and a static busybox.  Leaves nothing behind: bundles are in a temporary directory, state roots in one on
a tmpfs, as /run is one.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import typing

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.bench import Bench, progress
from tests.bench.processes import become_subreaper
from tests.bench.report import BARE, CRUN_BARE, table, targets
from tests.bench.runtimes import CGROUP

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TMPFS = "/dev/shm"
BUSY = 0.7
"""A load average above which other work disturbs the figures."""
CORPUS = os.path.join(REPOSITORY, "tests", "corpus", "docker-run-default.json")


def machine() -> dict[str, typing.Any]:
    """What the figures were taken on."""
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "cgroup": "v2" if os.path.exists(f"{CGROUP}/cgroup.controllers") else "v1 or hybrid",
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pyrunc", default=os.path.join(REPOSITORY, "build", "pyrunc"), help="the pyrunc to measure")
    parser.add_argument("--runc", default="runc", help="the runc to compare with")
    parser.add_argument("--crun", default="crun", help="the crun to compare with")
    parser.add_argument("--corpus", default=CORPUS, help="docker's config.json")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of every command")
    parser.add_argument("--warm", type=int, default=200, help="containers in one warm interpreter")
    parser.add_argument("--quick", action="store_true", help="5 rounds, 40 warm containers")
    parser.add_argument("--json", metavar="FILE", help="writes all samples and verdicts here too")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a target is missed")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.warm = 5, 40
    return options


def measure(options: argparse.Namespace, temporary: str, roots: str) -> int:
    """Everything, in `temporary` and `roots`; the exit status."""
    bench = Bench(options, temporary, roots)
    about = machine()
    versions = {runtime.name: runtime.version(bench.stage) for runtime in bench.runtimes}
    bench.stage.time([bench.interpreter[0], "-c", "import sys; print(sys.version.split()[0])"])
    versions[BARE] = f"{bench.interpreter[0]} {bench.stage.text().strip()}"
    try:
        bench.repeat(bench.tasks(), bench.rounds, "commands")
        bench.repeat(bench.memories(), min(bench.rounds, 10), "memory")
        bench.warm()
    finally:
        left = bench.left_behind()
    about["load afterwards"] = os.getloadavg()[0]
    progress("")

    names = ["pyrunc", "runc", "crun", CRUN_BARE]
    verdicts = targets(bench.samples)
    lines = [f"{name}: {version}" for name, version in versions.items()]
    lines.append(", ".join(f"{key} {value}" for key, value in about.items()))
    lines.append(f"{bench.rounds} rounds, {bench.warm_rounds} warm containers; order shuffled in every round")
    lines += ["", *table(bench.samples, names), "", "targets (by medians)", *(target.line() for target in verdicts)]
    if about["load"] > BUSY:
        bench.notes.append("the machine was busy: medians tell little, look at the minima")
    lines += ["", *(f"note: {note}" for note in bench.notes), *(f"LEFT BEHIND: {thing}" for thing in left)]
    print("\n".join(lines).rstrip())
    if options.json:
        result = {
            "machine": about,
            "versions": versions,
            "rounds": bench.rounds,
            "notes": bench.notes,
            "left behind": left,
            "targets": [target.as_dict() for target in verdicts],
            "medians": {m: {r: statistics.median(v) for r, v in by.items()} for m, by in bench.samples.items()},
            "samples": bench.samples,
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    failed = left or any(not target.met for target in verdicts)
    return 1 if options.check and failed else 0


def main() -> int:
    """Runs the benchmark; its exit status."""
    options = parse()
    if os.geteuid() != 0:
        raise SystemExit("bench: needs root, as the runtimes that it compares do")
    become_subreaper()
    with (
        tempfile.TemporaryDirectory(prefix="pyrunc-test-bench-") as temporary,
        tempfile.TemporaryDirectory(prefix="pyrunc-test-bench-", dir=TMPFS) as roots,
    ):
        return measure(options, temporary, roots)


if __name__ == "__main__":
    sys.exit(main())
