"""Exchanging two names in a busy loop, as an attacker on a shared volume would."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("swapper.c")


def build_swapper(folder: Path) -> Path:
    """Compiles swapper.c; the path of the program."""
    program = folder / "swapper"
    if not program.exists():
        subprocess.run(["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE], check=True)
    return program


@contextmanager
def swapping(program: Path, one: Path, other: Path) -> Iterator[None]:
    """While the block runs, the two names are exchanged all the time."""
    process = subprocess.Popen([program, one, other], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        yield
        assert process.poll() is None, process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
