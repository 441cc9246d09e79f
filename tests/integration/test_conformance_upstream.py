"""conformance/spec --upstream: programs that report as the upstream validation programs do, and that misbehave."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import upstream
from conformance.report.outcome import FAIL, PASS, SKIP, Outcome
from tests.support import processes

CHECKOUT = Path(__file__).resolve().parent.parent.parent
Attempt = Callable[..., Outcome]
# A block of the kind that is printed for what ran in a container.
INNER = json.dumps({"stdout": "TAP version 13\nok 1 - inner\nnot ok 2 - wrong\n1..2\n", "stderr": ""}, indent=1)


def program(folder: Path, name: str, body: str) -> Path:
    """A validation program in the folder that it has in a checkout."""
    path = folder / "validation" / name / f"{name}.t"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    (folder / "runtimetest").touch()
    return path


@pytest.fixture
def attempt(folder: Path) -> Attempt:
    """The outcome of a program with this body, and that runtime."""

    def run(body: str, runtime: str = "/bin/false", limit: float = 20) -> Outcome:
        program(folder, "one", body)
        (made,) = upstream.outcomes(upstream.suite(folder), [runtime], limit)
        return made

    return run


@pytest.mark.parametrize(
    ("body", "result", "reason"),
    [
        ("printf '1..2\\nok 1 - a\\nok 2 - b\\n'", PASS, "2 points"),
        ("printf 'ok 1 - a\\nok 2 # SKIP not here\\n1..2\\n'", PASS, "2 points, 1 of them left out"),
        ("printf 'ok 1 - a\\nnot ok 2 - b\\n1..2\\n'", FAIL, "1 of 2 points failed\nb"),
        ("printf '1..1\\nok 1 # SKIP no hugetlb\\n'", SKIP, "no hugetlb"),
        ("echo '1..0 # SKIP no seccomp'", SKIP, "no seccomp"),
        ("echo 1..0", SKIP, "its report has no points"),
        (
            f"echo 1..0; echo '  ---'; printf '%s\\n' '{INNER}' | sed 's/^/  /'; echo '  ...'",
            FAIL,
            "1 of 2 points failed\nwrong",
        ),
        ("printf '1..2\\nok 1\\n'", FAIL, "2 points were planned, 1 are there"),
        ("printf '1..2\\nok 1\\nBail out! enough\\n'; exit 1", FAIL, "it ended with status 1\nBail out! enough"),
        ("printf '1..1\\nok 1\\n'; echo wrong >&2; exit 3", FAIL, "it ended with status 3\nwrong"),
        ("printf '1..1\\nok 1\\n'; kill -SEGV $$", FAIL, "it was ended by SIGSEGV"),
        ("exit 0", FAIL, "it reported nothing"),
        ("echo all is well", FAIL, "it reported nothing"),
    ],
    ids=[
        "plan first",
        "plan last",
        "a failure",
        "all left out",
        "none, why",
        "none",
        "none, but a block",
        "too few",
        "bail out",
        "status",
        "crash",
        "nothing",
        "no tap",
    ],
)
def test_reports(attempt: Attempt, body: str, result: str, reason: str) -> None:
    made = attempt(body)
    assert (made.result, made.reason) == (result, reason)


def test_what_hangs_is_ended_with_all_that_it_started(attempt: Attempt, folder: Path) -> None:
    pids = folder / "pids"
    body = f"sleep 1000 & echo $! >> {pids}; setsid sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; echo ok; wait"
    made = attempt(body, limit=1)
    assert (made.result, made.reason.splitlines()[0]) == (FAIL, "it was not done in time")
    assert made.seconds < 15
    for pid in pids.read_text().split():
        assert not processes.alive(int(pid)), f"process {pid} runs on"


def test_where_they_run(attempt: Attempt, folder: Path) -> None:
    """They find `runtimetest` beside them, one word in $RUNTIME, and a place for files that is theirs."""
    told = folder / "told"
    made = attempt(f'(pwd; "$RUNTIME" x "y z"; echo "$TMPDIR") > {told}; echo ok 1; echo 1..1', "/bin/echo")
    assert made.result == PASS, made.reason
    where, called, place = told.read_text().splitlines()
    assert where == str(folder)
    assert called.startswith("--root ")
    assert called.endswith(" x y z")
    assert not Path(place).exists(), "its files are still there"


@pytest.mark.root
def test_containers_and_mounts_are_removed(attempt: Attempt, runtime: Path, folder: Path) -> None:
    bundle, pid = folder / "bundle", folder / "pid"
    (bundle / "rootfs").mkdir(parents=True)
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["/b/busybox", "sleep", "1000"]},
        "mounts": [{"destination": "/b", "source": "/bin", "type": "bind", "options": ["bind", "ro"]}],
        "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
    }
    (bundle / "config.json").write_text(json.dumps(config))
    body = f"""mount -t tmpfs tmpfs "$TMPDIR" || exit 9
        "$RUNTIME" create --bundle {bundle} --pid-file {pid} left || exit 8
        "$RUNTIME" start left
        echo ok 1; echo 1..1"""
    made = attempt(body, str(runtime))
    assert (made.result, made.reason) == (PASS, "1 points; containers were left: left")
    assert not processes.alive(int(pid.read_text()))
    with open("/proc/self/mountinfo") as file:
        assert "conformance-" not in file.read()


@pytest.mark.parametrize("missing", ["programs", "runtimetest"])
def test_a_folder_without_programs(folder: Path, missing: str) -> None:
    if missing == "runtimetest":
        program(folder, "one", "echo 1..0").chmod(0o755)
        (folder / "runtimetest").unlink()
    done = spec(folder)
    assert done.returncode == 2
    assert ("no *.t" if missing == "programs" else "runtimetest is neither there nor above") in done.stderr


def spec(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Calls conformance/spec with none of our own checks."""
    command = [sys.executable, "-m", "conformance.run_spec", "--select", "nothing_at_all", "--upstream", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    words = [*command, "--runtime", "/bin/true", *options]
    return subprocess.run(words, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60)


def test_all_reports_have_them(folder: Path) -> None:
    program(folder, "good", "echo ok 1 - of the good; echo 1..1")
    program(folder, "bad", "echo not ok 1 - of the bad; echo 1..1")
    files = {kind: folder / f"report.{kind}" for kind in ("tap", "json", "html")}
    done = spec(folder / "validation", *(word for kind in files for word in (f"--{kind}", str(files[kind]))))
    assert done.returncode == 1
    assert "1 of 1 points failed" in done.stdout
    outcomes = json.loads(files["json"].read_text())[0]["outcomes"]
    assert [(one["level"], one["title"], one["result"]) for one in outcomes] == [
        ("upstream validation", "bad", FAIL),
        ("upstream validation", "good", PASS),
    ]
    assert outcomes[0]["points"] == [{"result": FAIL, "title": "of the bad", "reason": ""}]
    assert "    not ok 1 - of the bad\n" in files["tap"].read_text()
    assert "<h2>upstream validation</h2>" in files["html"].read_text()
