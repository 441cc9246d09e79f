"""Formatter, linter and type checker, as tests: one run shows everything that is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
TOOLS = Path(sys.prefix) / "bin"


def run(*command: "str | Path") -> str:
    """Runs a tool in the checkout; its output where it finds fault, "" where it does not."""
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_format() -> None:
    """Every Python file is as `ruff format` writes it."""
    fault = run(TOOLS / "ruff", "format", "--check", "--no-cache", ".")
    assert not fault, fault


def test_ruff() -> None:
    """The rules of pyproject.toml hold."""
    fault = run(TOOLS / "ruff", "check", "--no-cache", "--output-format", "concise", ".")
    assert not fault, fault


@pytest.mark.timeout(300)
def test_mypy() -> None:
    """`mypy --strict` over the package and what the tests share."""
    fault = run(TOOLS / "mypy", "--strict")
    assert not fault, fault
