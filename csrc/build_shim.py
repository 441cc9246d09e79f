"""Builds the cffi extension module pyrunc._shim from shim*.c and spawn.c (API mode)."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
WARNINGS = ["-std=c11", "-O2", "-Wall", "-Wextra"]


def declarations() -> str:
    """The prototypes of shim.h, as cffi's parser wants them: no comments, no preprocessor lines."""
    text = re.sub(r"/\*.*?\*/", "", (HERE / "shim.h").read_text(), flags=re.S)
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def main() -> None:
    """Writes the extension module below the directory named by the first argument."""
    builder = FFI()
    builder.cdef(declarations())
    builder.set_source(
        "pyrunc._shim",
        '#include "shim.h"\n',
        sources=[str(path) for path in sorted([*HERE.glob("shim*.c"), HERE / "spawn.c"])],
        include_dirs=[str(HERE)],
        extra_compile_args=WARNINGS,
        py_limited_api=False,
    )
    target = Path(sys.argv[1]).resolve() / "pyrunc"
    target.mkdir(exist_ok=True)
    # In a folder of its own: setuptools takes a pyproject.toml in the working directory for its business, and
    # leaves its object files there.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        built = Path(builder.compile(verbose=False))
        shutil.move(built, target / (built.name + ".new"))
    os.rename(target / (built.name + ".new"), target / built.name)


if __name__ == "__main__":
    main()
