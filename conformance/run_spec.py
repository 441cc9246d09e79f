"""The command `conformance/spec`: checks runtimes against the runtime specification and writes the report."""

import argparse
import json
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance import upstream
from conformance.report import page, table, tap
from conformance.report.outcome import FAIL, Outcome, Run

HERE = Path(__file__).resolve().parent
RUNTIME_HELP = "the runtime, also with global options ('crun --cgroup-manager=disabled'); may be repeated"
UPSTREAM_HELP = "run the validation programs of opencontainers/runtime-tools, too, which are built in this folder"
LIMIT_HELP = "how long each of these may take (default: 60)"
CHECKS = HERE / "checks"
PYTEST = (
    "-q",
    "--no-header",
    "--no-summary",
    "-p",
    "no:cacheprovider",
    "-p",
    "tests.conftest",
    "-p",
    "conformance.plugin",
)


def main(argv: "list[str] | None" = None) -> int:
    """Performs one command line; 1 when a MUST or an upstream program failed or, with --prove, a check could not be
    made to fail."""
    options = parsed(argv)
    runtimes = []
    for name in options.runtime or ["build/pyrunc"]:
        program, *arguments = shlex.split(name)
        found = shutil.which(program)
        if found is None:
            print(f"conformance/spec: {program}: no such command", file=sys.stderr)
            return 2
        runtimes.append([str(Path(found).absolute()), *arguments])
    try:
        suite = upstream.suite(Path(options.upstream)) if options.upstream else None
    except upstream.NoPrograms as error:
        print(f"conformance/spec: {error}", file=sys.stderr)
        return 2
    runs = []
    for runtime in runtimes:
        runs.append(checked(runtime, options.prove, options.select))
        if suite is not None:
            runs[-1].outcomes += upstream.outcomes(suite, runtime, options.upstream_limit)
    write(options, runs)
    counting = ("MUST", "SHOULD") if options.prove else ("MUST", upstream.LEVEL)
    return int(any(run.count(FAIL, level) for run in runs for level in counting))


def parsed(argv: "list[str] | None") -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("conformance/spec", description=__doc__)
    parser.add_argument("--runtime", action="append", metavar="PATH", help=RUNTIME_HELP)
    parser.add_argument("--prove", action="store_true", help="show instead that each check notices a broken runtime")
    parser.add_argument("--select", metavar="WORDS", default="", help="only the checks that pytest -k selects")
    parser.add_argument("--upstream", metavar="DIR", help=UPSTREAM_HELP)
    parser.add_argument("--upstream-limit", metavar="SECONDS", type=float, default=60, help=LIMIT_HELP)
    parser.add_argument("--tap", metavar="FILE", help="write TAP (- for stdout); one runtime only")
    parser.add_argument("--json", metavar="FILE", help="write JSON")
    parser.add_argument("--html", metavar="FILE", help="write one self-contained HTML page")
    options = parser.parse_args(argv)
    if options.prove and options.upstream:
        parser.error("--prove is for the checks, not for --upstream")
    return options


def checked(runtime: list[str], prove: bool, select: str) -> Run:
    """Runs the checks against one runtime."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        outcomes = Path(folder) / "outcomes.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *PYTEST,
            f"--oci={shlex.join(runtime)}",
            f"--outcomes={outcomes}",
            str(CHECKS),
        ]
        if prove:
            command.append("--prove")
        if select:
            command += ["-k", select]
        done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if not outcomes.exists() or done.returncode not in (0, 1, 5):
            sys.stderr.write(done.stdout)
            raise SystemExit(2)
        found = [Outcome(**one) for one in json.loads(outcomes.read_text())]
    return Run(shlex.join(runtime), version_of(runtime[0]), f"Linux {platform.release()}", found)


def version_of(program: str) -> str:
    """The first line of what the runtime says of itself."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    return (done.stdout.splitlines() or ["unknown"])[0]


def write(options: argparse.Namespace, runs: list[Run]) -> None:
    """The reports that are asked for, and the table."""
    if options.tap == "-":
        sys.stdout.write(tap.written(runs[0]))
    else:
        table.show(runs)
        if options.tap:
            Path(options.tap).write_text(tap.written(runs[0]))
    if options.json:
        Path(options.json).write_text(json.dumps([run.as_dict() for run in runs], indent=1) + "\n")
    if options.html:
        Path(options.html).write_text(page.written(runs, "OCI runtime specification 1.3"))


if __name__ == "__main__":
    sys.exit(main())
