"""Thousands of lives of containers with docker's configuration, and what they leave: nothing.

usage: python -m tests.soak.run [--cycles 5000] [--parallel 20] [--json FILE]

A fifth of the cycles is done again through the library, in one process.  Ends with status 1 when anything failed,
stayed or grew, or when the last hundred cycles took more than 1.2 times as long as the first.  The machine should be
idle.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.soak.command import Soak
from tests.soak.figures import of_host, of_process
from tests.support import folders, leaks, processes
from tests.support.bundles import BundleFactory
from tests.support.rootfs import RootTemplate

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = "docker-run-default.json"
COMPARED = 100
"""How many of the first and of the last cycles are compared."""
SLOWER = 1.2
LIBRARY_THREADS = 4
RESIDENT = 2048
"""kB that the library's process may have grown by after a fifth of its cycles."""
KERNEL = 4
"""kB a cycle that the kernel's unreclaimable memory may have grown by: one forgotten object of any size is more."""
SETTLE = 2.0
"""Seconds after which the kernel has let go of what ended,"""
LATER = 180.0
"""and those after which it has of memory cgroups, which it frees in the background."""


def soak(command: Path, folder: Path, cycles: int, parallel: int) -> dict[str, Any]:
    """Runs both; the report, whose "wrong" is empty when all is well."""
    template = RootTemplate(folder)
    factory = BundleFactory(folder, template)
    pairs = [
        (
            factory.from_corpus(CONFIGURATION, ["/bin/sleep", "1000"]).path,
            factory.from_corpus(CONFIGURATION, ["/bin/true"]).path,
        )
        for _ in range(parallel)
    ]
    root = folder / "state"
    before, picture, own = of_host(), leaks.picture(), of_process()
    began = time.monotonic()
    by_command = Soak(command, root, folder, pairs)
    by_command.run(cycles)
    seconds = time.monotonic() - began
    middle = of_process()
    by_library = through_library(root, cycles // 5, [str(pair[0]) for pair in pairs[:LIBRARY_THREADS]])
    leaks.remove_corpus_parents()
    time.sleep(SETTLE)
    left, _ = leaks.lasting(picture, "own")
    left += [f"state left behind: {name}" for name in leaks.listing(str(root)) if not name.startswith(".")]
    until = time.monotonic() + LATER
    while too_large(cycles, before, after := of_host()) and time.monotonic() < until:
        time.sleep(1)
    report = {
        "cycles": cycles,
        "parallel": parallel,
        "seconds": round(seconds, 1),
        "cycle": times(by_command),
        "failures": by_command.failures,
        "host before": before,
        "host after": after,
        "descriptors": [own["descriptors"], middle["descriptors"]],
        "left": left,
        "library": by_library,
    }
    report["wrong"] = wrong(report)
    return report


def through_library(root: Path, cycles: int, bundles: list[str]) -> dict[str, Any]:
    """The cycles in one process, which is another than this one."""
    words = [sys.executable, "-m", "tests.soak.library", str(root), str(cycles), f"{leaks.prefix()}soak-", *bundles]
    ended = subprocess.run(words, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        return {"cycles": cycles, "failures": [f"status {ended.returncode}"], "early": {}, "late": {}}
    found: dict[str, Any] = json.loads(ended.stdout)
    return {"cycles": cycles, **found}


def times(by_command: Soak) -> dict[str, float]:
    """Milliseconds of the first and the last hundred, and of all."""
    cycles = by_command.cycles
    if not cycles:
        return {}
    parts = {"first": cycles[:COMPARED], "last": cycles[-COMPARED:], "all": cycles}
    found = {name: 1000 * statistics.mean(cycle.seconds for cycle in part) for name, part in parts.items()}
    found |= {f"{name}, processor": 1000 * statistics.mean(c.processor for c in part) for name, part in parts.items()}
    found["longest"] = 1000 * max(cycle.seconds for cycle in cycles)
    return {name: round(value, 2) for name, value in found.items()}


def wrong(report: dict[str, Any]) -> list[str]:
    """What is not as it must be, in words."""
    found = [f"failed: {text}" for text in report["failures"]] + list(report["left"])
    cycle = report["cycle"]
    if report["cycles"] >= 4 * COMPARED and cycle and cycle["last"] > SLOWER * cycle["first"]:
        found.append(f"the last cycles take {cycle['last']} ms, the first took {cycle['first']} ms")
    if len(set(report["descriptors"])) > 1:
        found.append("descriptors: {} before, {} after".format(*report["descriptors"]))
    grown = too_large(report["cycles"], report["host before"], report["host after"])
    if grown:
        found.append(f"the kernel's unreclaimable memory has grown by {grown} kB")
    library = report["library"]
    found += [f"library: failed: {text}" for text in library["failures"]]
    early, late = library["early"], library["late"]
    for name in early:
        allowed = RESIDENT if name == "resident (kB)" else 0
        if late[name] - early[name] > allowed:
            found.append(f"library: {name}: {early[name]} after a fifth of the cycles, {late[name]} at the end")
    return found


def too_large(cycles: int, before: dict[str, int], after: dict[str, int]) -> int:
    """How many kB of unreclaimable memory the kernel has more than before; 0 for what says nothing."""
    grown = after.get("SUnreclaim (kB)", 0) - before.get("SUnreclaim (kB)", 0)
    return grown if cycles >= 1000 and grown > KERNEL * cycles else 0


def shown(report: dict[str, Any]) -> str:
    """The report for a person."""
    cycle, library = report["cycle"], report["library"]
    amount = f"{report['cycles']} cycles, {report['parallel']} at a time"
    lines = [f"{amount}: {report['seconds']} s, {len(report['failures'])} failures"]
    if cycle:
        lines.append(f"a cycle: {cycle['first']} ms (the first {COMPARED}), {cycle['last']} ms (the last)")
        lines.append(f"the longest: {cycle['longest']} ms")
        lines.append(f"of processor time {cycle['first, processor']} ms (first), {cycle['last, processor']} ms (last)")
    for name, before in report["host before"].items():
        lines.append(f"{name:28} {before:10} {report['host after'].get(name, 0):10}")
    lines.append(f"{'own descriptors':28} {report['descriptors'][0]:10} {report['descriptors'][1]:10}")
    lines.append(f"library: {library['cycles']} cycles in one process, {len(library['failures'])} failures")
    for name, early in library["early"].items():
        lines.append(f"{name:28} {early:10} {library['late'][name]:10}")
    lines += report["wrong"] or ["nothing failed, stayed or grew"]
    return "\n".join(lines)


def main() -> int:
    """Reads the options, runs, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=5000)
    parser.add_argument("--parallel", type=int, default=20, help="how many at a time (default: 20)")
    parser.add_argument("--runtime", type=Path, default=CHECKOUT / "build" / "pyrunc")
    parser.add_argument("--json", type=Path, help="where the report goes, too")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root: docker's configuration is that of root's containers")
    leaks.token()
    processes.become_subreaper()
    folder = Path(tempfile.mkdtemp(prefix=leaks.prefix(), dir="/var/tmp"))
    folder.chmod(0o755)
    folders.make_private(folder)
    try:
        report = soak(options.runtime.absolute(), folder, options.cycles, options.parallel)
    finally:
        folders.remove(folder)
    print(shown(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
