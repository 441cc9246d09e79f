"""The manual pages: made from the table of options, and as the programs that show them want them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyrunc.options import GLOBAL, all_commands

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, Path]:
    """All pages, just made, by name."""
    subprocess.run([sys.executable, CHECKOUT / "tools/make_man.py", tmp_path], check=True)
    return {path.stem: path for path in tmp_path.iterdir()}


def test_lint(pages: dict[str, Path]) -> None:
    """mandoc finds nothing wrong with them."""
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages.values()], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_groff(pages: dict[str, Path]) -> None:
    """Neither does groff, which most systems show them with."""
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    for path in pages.values():
        command = ["groff", "-ww", "-mandoc", "-Tutf8", str(path)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, ""), path.name


def test_nothing_is_missing(pages: dict[str, Path]) -> None:
    """Each command has its page with all its options and the example of its help."""
    assert set(pages) == {"pyrunc", *(f"pyrunc-{name}" for name in all_commands())}
    options = {"pyrunc": GLOBAL, **{f"pyrunc-{name}": command.options for name, command in all_commands().items()}}
    for name, known in options.items():
        page = pages[name].read_text()
        for option in known:
            assert (f"Fl -{option.name}" in page) == option.supported, f"{name}: {option.name}"
    for name in all_commands():
        assert f".It Xr pyrunc-{name} 8" in pages["pyrunc"].read_text()
