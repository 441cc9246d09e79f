"""The command `tests/attacks/run`: what attacks on runtimes come to, entry by entry."""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from html import escape
from pathlib import Path

from rich.console import Console
from rich.table import Table

from conformance.report import page
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome, Run
from conformance.report.table import STYLE
from tests.attacks.entries import ENTRIES
from tests.support.attack import is_pyrunc, version_of

HERE = Path(__file__).resolve().parent
WORDS = {PASS: "held", FAIL: "broken", SKIP: "cannot run here"}
PLUGINS = ("no:cacheprovider", "tests.attacks.plugin")
UNIFIED = Path("/sys/fs/cgroup/unified")
WITHOUT_UNIFIED = ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'umount {UNIFIED} && exec "$@"', "sh")
"""crun refuses hosts with both versions of cgroups: it is shown one without the second."""


def main(argv: "list[str] | None" = None) -> int:
    """Performs one command line.

    1 when an attack on the first runtime succeeds, or pyrunc does not answer one as it should; with --prove when a
    weakened copy holds, or an entry has none.  2 when something could not be run at all.
    """
    options = parsed(argv)
    entries = [entry for entry in ENTRIES if not options.only or entry in options.only.split(",")]
    os.environ["PYRUNC_RACE_SECONDS"] = str(options.race_seconds)
    runs = []
    failed = False
    for name in options.runtime or ["build/pyrunc"]:
        program, *arguments = shlex.split(name)
        found = shutil.which(program)
        if found is None or not entries:
            sys.stderr.write(f"tests/attacks/run: {program if found is None else options.only}: not found\n")
            return 2
        run, well = attacked([str(Path(found).absolute()), *arguments], entries, options.prove)
        runs.append(run)
        failed |= is_pyrunc(run.version) and not well
    write(options, runs, entries)
    verdicts = [verdict(runs[0], entry)[0] for entry in entries]
    return int(any(one != FAIL for one in verdicts) if options.prove else failed or FAIL in verdicts)


def parsed(argv: "list[str] | None") -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("tests/attacks/run", description=__doc__)
    told = "the runtime, also with global options; may be repeated (default: build/pyrunc)"
    parser.add_argument("--runtime", action="append", metavar="PATH", help=told)
    parser.add_argument("--only", metavar="S7,S16", default="", help="only these entries")
    parser.add_argument("--prove", action="store_true", help="attack copies of pyrunc that lack a protection instead")
    parser.add_argument(
        "--race-seconds", type=float, default=3, metavar="N", help="how long a race is run (default: 3)"
    )
    parser.add_argument("--json", metavar="FILE", help="write JSON")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained HTML page")
    return parser.parse_args(argv)


def attacked(runtime: list[str], entries: list[str], prove: bool) -> tuple[Run, bool]:
    """Runs the attacks against one runtime: what came of it, and whether all went as the tests expect of pyrunc."""
    version = version_of(runtime[0])
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        outcomes = Path(folder) / "outcomes.json"
        command = [*(WITHOUT_UNIFIED if version.startswith("crun") and UNIFIED.exists() else ()), sys.executable]
        command += ["-m", "pytest", "-q", "--no-header", *(word for name in PLUGINS for word in ("-p", name))]
        command += [f"--attacked={shlex.join(runtime)}", f"--outcomes={outcomes}", f"--entries={','.join(entries)}"]
        command += ["--timeout=300", *(["--prove"] if prove else []), str(HERE)]
        if is_pyrunc(version):
            command.append(f"--runtime={runtime[0]}")
        done = subprocess.run(
            command, cwd=HERE.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if not outcomes.exists() or done.returncode not in (0, 1, 5):
            sys.stderr.write(done.stdout)
            raise SystemExit(2)
        if done.returncode == 1 and is_pyrunc(version):
            sys.stderr.write(done.stdout)
        found = [Outcome(**one) for one in json.loads(outcomes.read_text())]
    found = [one for one in found if one.level in entries]
    return Run(shlex.join(runtime), version, f"Linux {platform.release()}", found), done.returncode != 1


def verdict(run: Run, entry: str) -> tuple[str, str]:
    """The verdict on an entry, and in words how many of its attacks came to that."""
    counts = Counter(one.result for one in run.outcomes if one.level == entry)
    result = next((one for one in (FAIL, PASS) if counts[one]), SKIP)
    parts = [f"{count} {WORDS[one]}" for one in (FAIL, PASS, SKIP) if (count := counts[one]) and one != result]
    return result, f"{WORDS[result]} ({', '.join([str(counts[result]), *parts])})"


def reason(run: Run, entry: str) -> str:
    """Why: of the first attack that came to the verdict."""
    result, _ = verdict(run, entry)
    reasons = [one.reason for one in run.outcomes if one.level == entry and one.result == result and one.reason]
    return reasons[0].splitlines()[0] if reasons else ""


def write(options: argparse.Namespace, runs: list[Run], entries: list[str]) -> None:
    """The table, and the reports that are asked for."""
    shown = Table("entry", "what it tries", *(run.version for run in runs))
    for entry in entries:
        found = [verdict(run, entry) for run in runs]
        shown.add_row(entry, ENTRIES[entry][1], *(f"[{STYLE[result]}]{words}[/]" for result, words in found))
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(shown)
    for run in runs:
        for entry in entries:
            result, _ = verdict(run, entry)
            if result != PASS and (why := reason(run, entry)):
                console.print(f"{run.version}: {entry}: {WORDS[result]}: {why}", markup=False, highlight=False)
    if options.json:
        document = [
            {
                **run.as_dict(),
                "verdicts": {
                    entry: {"verdict": WORDS[verdict(run, entry)[0]], "reason": reason(run, entry)} for entry in entries
                },
            }
            for run in runs
        ]
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    if options.html:
        text = page.written(runs, "Attacks", words=WORDS, what="attack", overview=lambda runs: overview(runs, entries))
        Path(options.html).write_text(text)


def overview(runs: list[Run], entries: list[str]) -> str:
    """The table of entries and runtimes for the page."""
    head = "".join(f"<th>{escape(run.version)}" for run in runs)
    rows = []
    for entry in entries:
        published, tries = ENTRIES[entry]
        rows.append(f"<tr><td>{entry}<td>{escape(published)}<td>{escape(tries)}")
        for run in runs:
            result, words = verdict(run, entry)
            why = "" if result == PASS else f"<span class=why>{escape(reason(run, entry))}</span>"
            rows.append(f"<td class={result}>{escape(words)}{why}")
    return f"<table><tr><th>entry<th>published as<th>what it tries{head}{''.join(rows)}</table>"


if __name__ == "__main__":
    sys.exit(main())
