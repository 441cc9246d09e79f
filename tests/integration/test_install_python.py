"""Which interpreter the command runs on, and how the kernel is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CHOOSE = CHECKOUT / "tools" / "choose_python.py"
BASE = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]


def choose(*args: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs tools/choose_python.py; variables are added to the environment."""
    return subprocess.run(
        [sys.executable, CHOOSE, *args], capture_output=True, text=True, env={**os.environ, **variables}
    )


def test_the_fastest_is_chosen_and_said() -> None:
    """Every usable interpreter is listed with its time, in order; the choice is one of them."""
    result = choose()
    assert result.returncode == 0, result.stderr
    path = result.stdout.strip()
    listed = [line.split() for line in result.stderr.splitlines() if " ms " in line]
    assert path in [words[2] for words in listed]
    times = [float(words[0]) for words in listed]
    assert times == sorted(times)
    assert f"using {path}, which starts fastest" in result.stderr
    assert subprocess.run([path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).returncode == 0


def test_named_interpreter() -> None:
    """PYTHON= wins over speed."""
    result = choose(BASE)
    assert (result.returncode, result.stdout.strip()) == (0, BASE)
    assert result.stderr.strip() == f"using {BASE}, as asked for"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no-such-python", "PYTHON=no-such-python: no such command"),
        ("/bin/true", "PYTHON=/bin/true: does not run"),
        (sys.executable, f"PYTHON={sys.executable}: belongs to a virtual environment"),
    ],
)
def test_unusable_interpreter(name: str, reason: str) -> None:
    """What cannot be used is refused with the reason."""
    result = choose(name)
    assert (result.returncode, result.stdout, result.stderr.strip()) == (1, "", reason)


def test_shims_are_not_candidates(folder: Path) -> None:
    """A script named python3.12 that passes on to another interpreter would cost its own start each time."""
    shim = folder / "python3.99"
    shim.write_text(f'#!/bin/sh\nexec {BASE} "$@"\n')
    shim.chmod(0o755)
    assert str(folder) not in choose(PATH=f"{folder}:{os.environ['PATH']}").stderr


def make_launcher(output: Path, python: str, first: Path) -> None:
    """Writes a command with tools/make_launcher.py."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import make_launcher, pathlib;"
        "make_launcher.write(pathlib.Path(sys.argv[2]), make_launcher.launcher(sys.argv[3], [sys.argv[4]], []))"
    )
    tools = str(CHECKOUT / "tools")
    subprocess.run([sys.executable, "-c", program, tools, output, python, first], check=True)


@pytest.mark.parametrize("place", ["plain", "with space", "long" * 60, "ünïcode", "per'cent %s"])
def test_any_path_of_the_interpreter(place: str, folder: Path) -> None:
    """The kernel cannot start a script whose interpreter's path has a space or is long: sh helps out.  The library's
    path may be anything."""
    package = folder / place / "pyrunc"
    package.mkdir(parents=True)
    (package / "cli.py").write_text("def entry():\n    import sys\n    print(sys.flags.isolated, sys.argv[1:])\n")
    python = folder / place.replace("'", "") / "python"
    python.parent.mkdir(exist_ok=True)
    python.symlink_to(BASE)
    command = folder / "pyrunc"
    make_launcher(command, str(python), package.parent)
    assert command.stat().st_mode & 0o777 == 0o755
    result = subprocess.run([command, "a b", "$c", ""], capture_output=True, text=True, env={}, cwd="/")
    assert result.stderr == ""
    assert result.stdout == "1 ['a b', '$c', '']\n"


def test_make_needs_no_more_than_it_says() -> None:
    """`make help` lists every target that has a description, without building anything."""
    make = shutil.which("make")
    assert make
    result = subprocess.run([make, "-s", "help"], cwd=CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0
    for target in ("build", "run", "install", "uninstall", "test", "bench", "test-vm", "clean"):
        assert f"make {target} " in result.stdout


def test_what_is_missing_is_named(folder: Path) -> None:
    """Without a package manager the packages to install are said, by the names that Debian has for them."""
    for name in ("sh", "id", "sed", "grep", "ldconfig"):
        program = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
        assert program
        (folder / name).symlink_to(program)
    command = [CHECKOUT / "tools" / "requirements", "build", BASE]
    result = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(folder)})
    assert result.returncode == 1
    assert result.stderr == "please install (names of Debian's packages): gcc libc6-dev binutils\n"
