"""Containers that count, their checkpoints and what is restored from them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.bundles import Bundle
from tests.support.processes import wait_until
from tests.support.runtime import Pyrunc, Result


def why_not() -> str:
    """Why there can be no checkpoint here, "" when there can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("criu") is None:
        return "criu is not installed"
    check = subprocess.run(["criu", "check"], capture_output=True)
    return "CRIU does not work on this kernel (criu check)" if check.returncode else ""


COUNT = 'n=0; while :; do n=$((n+1)); echo "tick $n"; usleep 100000; done'
LIMIT = 120.0  # seconds for a command: CRIU in an emulated machine takes its time


def ticks(result: Result) -> list[int]:
    """The numbers that a container has counted to its output."""
    return [int(number) for number in re.findall(r"^tick (\d+)$", result.stdout, re.MULTILINE)]


def counts(result: Result, beyond: int = 2) -> None:
    """Waits until a container has counted beyond a number."""
    wait_until(lambda: (ticks(result) or [0])[-1] > beyond, f"ticks beyond {beyond} in {result}", LIMIT)


def start(pyrunc: Pyrunc, bundle: Bundle) -> tuple[str, Result]:
    """A running container that counts."""
    container_id = pyrunc.new_id()
    result = pyrunc.ok("run", "--detach", "--bundle", bundle, container_id)
    counts(result)
    return container_id, result


def checkpoint(pyrunc: Pyrunc, container_id: str, images: Path, *options: str) -> None:
    pyrunc.ok("checkpoint", "--image-path", images, *options, container_id, timeout=LIMIT)


def restore(pyrunc: Pyrunc, bundle: Bundle, images: Path, container_id: str, *options: str) -> Result:
    return pyrunc.ok(
        "restore", "--detach", "--bundle", bundle, "--image-path", images, *options, container_id, timeout=LIMIT
    )


def again(pyrunc: Pyrunc, bundle: Bundle, images: Path, container_id: str, before: Result, *options: str) -> Result:
    """Restores a container that counts, and sees it count on from where it was."""
    last = ticks(before)[-1]
    after = restore(pyrunc, bundle, images, container_id, *options)
    counts(after, last + 1)
    assert ticks(after)[0] == last + 1
    return after


def exists(pyrunc: Pyrunc, container_id: str) -> bool:
    return container_id in pyrunc.containers()


def build(program: Path) -> None:
    """Compiles the static program of that name of tests/support."""
    source = Path(__file__).with_name(f"{program.name}.c")
    flags = ["-std=c11", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
