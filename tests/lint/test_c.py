"""Every C file compiles without a warning, and gcc's analyzer finds no fault in it."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SOURCES = sorted([*CHECKOUT.glob("csrc/*.c"), *CHECKOUT.glob("tests/**/*.c")])
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null"]


def fault_in(source: Path, *flags: str) -> str:
    """What gcc has to say about a file, "" when nothing."""
    include = f"-I{sysconfig.get_path('include')}"
    command = ["gcc", *FLAGS, *flags, include, str(source)]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return "" if result.returncode == 0 else result.stdout + result.stderr


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
@pytest.mark.timeout(180)
def test_analyzer(source: Path) -> None:
    """gcc -Wall -Wextra -Werror -fanalyzer."""
    fault = fault_in(source, "-fanalyzer")
    assert not fault, fault


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_licence(source: Path) -> None:
    """The first line names the licence."""
    assert "SPDX-License-Identifier: Apache-2.0" in source.read_text().split("\n", 1)[0]


def test_sources_are_found() -> None:
    """The tests above are about something."""
    assert {"shim.c", "shim_socket.c", "probe.c"} <= {path.name for path in SOURCES}
