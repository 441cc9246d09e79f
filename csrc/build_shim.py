"""Builds the cffi extension module pyrunc._shim from shim.c and spawn.c (API mode)."""

import re
import sys
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
        sources=[str(HERE / "shim.c"), str(HERE / "spawn.c")],
        include_dirs=[str(HERE)],
        extra_compile_args=WARNINGS,
        py_limited_api=False,
    )
    builder.compile(tmpdir=sys.argv[1], verbose=False)


if __name__ == "__main__":
    main()
