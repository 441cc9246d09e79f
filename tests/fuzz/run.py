"""Runs the fuzzers, several at a time, each for a time, and says what came of it.

usage: python -m tests.fuzz.run [--minutes 60] [--jobs 2] [--folder build/fuzz] [NAME...]

Ends with status 1 when anything was found: build/fuzz/NAME/found has the input and what it did.  Inputs that reached
something new stay in build/fuzz/NAME/corpus, where the next run begins.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from pyrunc import helper
from tests.fuzz.target import targets
from tests.support.protocol import sample

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GRACE = 120.0
"""Seconds that a fuzzer may be late: then it hangs in what cannot be interrupted, which is a finding."""

DECODING = ["csrc/message.c", "csrc/init_setup.c"]
NATIVE = {name: [f"tests/fuzz/{name}_fuzzer.c", *DECODING] for name in ("message", "orders")}
"""Fuzzers in C, for libFuzzer: name -> sources."""
SANITIZED = ["clang", "-std=c11", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


class Outcome:
    """What a fuzzer came to."""

    def __init__(self, executions: int, seconds: float, reached: str, findings: dict[str, str]) -> None:
        self.executions = executions
        self.seconds = seconds
        self.reached = reached
        self.findings = findings


class Job:
    """One fuzzer, running."""

    def __init__(self, name: str, folder: Path, seconds: float, seed: "int | None") -> None:
        self.name = name
        self.folder = folder
        self.seconds = seconds
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "score.json").unlink(missing_ok=True)
        self.earlier = set(folder.iterdir())
        self.log = folder / "log"
        self.began = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                native(name, folder, seconds, seed) if name in NATIVE else scripted(name, folder, seconds, seed),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def over(self) -> bool:
        """Whether it has ended; it is ended when it is much too late."""
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.began > self.seconds + GRACE:
            self.end()
            return True
        return False

    def end(self) -> None:
        """Ends it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def outcome(self) -> Outcome:
        """What it came to, from its score or its log."""
        text = self.log.read_text(errors="replace")
        covered = re.findall(r"cov: (\d+) ft: (\d+)", text)
        reached = "{} branches, {} features".format(*covered[-1]) if covered else ""
        seconds = time.monotonic() - self.began
        if self.name in NATIVE:
            counts = re.findall(r"(?:^#|stat::number_of_executed_units: +)(\d+)", text, flags=re.M)
            files = [path for path in self.folder.iterdir() if path not in self.earlier and "-" in path.name]
            found = {path.name: re.search(r"^.*(?:ERROR|error): .*$", text, flags=re.M) for path in files}
            findings = {name: match[0].strip() if match else "see its log" for name, match in found.items()}
            result = Outcome(max(map(int, counts), default=0), seconds, reached, findings)
        else:
            try:
                score = json.loads((self.folder / "score.json").read_text())
            except FileNotFoundError:
                score = {"executions": 0, "seconds": seconds, "ways": 0, "findings": {}}
            reached = reached or f"{score['ways']} ways"
            result = Outcome(score["executions"], score["seconds"], reached, score["findings"])
        if self.process.returncode and not result.findings:
            result.findings["ended"] = f"with status {self.process.returncode}: see {self.log}"
        return result


def scripted(name: str, folder: Path, seconds: float, seed: "int | None") -> list[str]:
    """The command line of a fuzzer in Python."""
    chosen = [] if seed is None else ["--seed", str(seed)]
    return [sys.executable, "-m", "tests.fuzz.drive", name, "--seconds", str(seconds), "--folder", str(folder), *chosen]


def native(name: str, folder: Path, seconds: float, seed: "int | None") -> list[str]:
    """The command line of a fuzzer in C, which is built first."""
    program = folder / "fuzzer"
    subprocess.run([*SANITIZED, "-o", str(program), *NATIVE[name]], cwd=CHECKOUT, check=True)
    (folder / "corpus").mkdir(exist_ok=True)
    for number, seed_of in enumerate([sample()] if name == "message" else orders()):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed_of)
    chosen = [] if seed is None else [f"-seed={seed}"]
    limits = [f"-max_total_time={max(1, round(seconds))}", "-max_len=65536", "-timeout=5", "-rss_limit_mb=1024"]
    return [str(program), *limits, *chosen, "-print_final_stats=1", f"-artifact_prefix={folder}/", f"{folder}/corpus"]


def orders() -> list[bytes]:
    """MESSAGE_JOIN and MESSAGE_PREPARE with all that can be in them, behind 32 bytes by which system calls succeed."""
    entered = [helper.record(helper.TAG_JOIN, helper.u32(kind)) for kind in (0x40000000, 0x10000000)]
    new = [helper.record(helper.TAG_NEW, helper.u32(0x10000000 | 0x20000000)), helper.record(helper.TAG_FORK)]
    more = [
        helper.record(helper.TAG_DUMPABLE),
        helper.record(helper.TAG_KEEP, bytes(8)),
        helper.record(helper.TAG_OOM_SCORE_ADJ, helper.u32(1)),
    ]
    tasks = helper.record(helper.TAG_TASKS, helper.text("/sys/fs/cgroup/x/tasks"))
    proc = [helper.record(helper.TAG_PROC), helper.record(helper.TAG_PROC_OPTION, helper.pair("hidepid", "2"))]
    prepare = [tasks, helper.record(helper.TAG_CGROUP_NAMESPACE), helper.record(helper.TAG_LOOPBACK), *proc]
    return [
        bytes([9] * 32) + helper.message(helper.JOIN, [*entered, *new, *more], 2),
        bytes([9] * 32) + helper.message(helper.PREPARE, prepare, 1),
    ]


def run(names: list[str], folder: Path, seconds: float, jobs: int, seed: "int | None") -> dict[str, Outcome]:
    """Runs them all; ends those that run when it is interrupted."""
    waiting = deque(names)
    running: list[Job] = []
    outcomes: dict[str, Outcome] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name = waiting.popleft()
                print(f"{name}: {seconds / 60:g} min", flush=True)
                running.append(Job(name, folder / name, seconds, seed))
            for job in [job for job in running if job.over()]:
                running.remove(job)
                outcomes[job.name] = job.outcome()
            time.sleep(0.1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        outcomes |= {job.name: job.outcome() for job in running}
    finally:
        for job in running:
            job.end()
    return outcomes


def table(outcomes: dict[str, Outcome]) -> str:
    """One line a fuzzer, and below it what it found."""
    lines = [f"{'fuzzer':12} {'executions':>12} {'a second':>9} {'minutes':>8} {'found':>6}  reached"]
    for name, outcome in outcomes.items():
        rate = outcome.executions / max(outcome.seconds, 0.1)
        lines.append(
            f"{name:12} {outcome.executions:12,} {rate:9,.0f} {outcome.seconds / 60:8.1f} {len(outcome.findings):6}"
            f"  {outcome.reached}"
        )
    for name, outcome in outcomes.items():
        lines += [f"{name}: found {key}: {text}" for key, text in outcome.findings.items()]
    return "\n".join(lines)


def main() -> int:
    """Reads the options, runs, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*targets(), *NATIVE]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which fuzzers (default: all): {', '.join(known)}")
    parser.add_argument("--minutes", type=float, default=60, help="for each (default: 60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time (default: one a processor)")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / "build" / "fuzz")
    parser.add_argument("--seed", type=int, help="of the first inputs (default: another each time)")
    options = parser.parse_args()
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no such fuzzer: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    folder = options.folder.absolute()
    fuzzers = targets()
    for name in [name for name in known if os.geteuid() != 0 and name in fuzzers and fuzzers[name].needs_root]:
        print(f"{name}: left out, needs root")
        known.remove(name)
    outcomes = run(
        [name for name in known if name in (options.names or known)],
        folder,
        options.minutes * 60,
        options.jobs,
        options.seed,
    )
    print(table(outcomes))
    (folder / "summary.json").write_text(json.dumps({name: vars(outcome) for name, outcome in outcomes.items()}))
    return 1 if any(outcome.findings for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
