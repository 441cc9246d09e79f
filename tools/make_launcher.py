"""Writes the `pyrunc` command: one executable file that engines can name by its absolute path.

It starts the interpreter isolated (-I: no environment, no user site, nothing from the current directory; -S: no site),
says where the package is and calls its entry point.  It is compiled anew at each start, so it is as short as it can
be.  A command lives for milliseconds and makes no garbage worth collecting.
"""

import os
import sys
from pathlib import Path

import pack_modules

SHEBANG_LIMIT = 255  # bytes that the kernel reads of the first line (binfmt_script, since Linux 5.1)

PROGRAM = """\
import gc, sys
gc.disable()
sys.dont_write_bytecode = True
sys.path[:0] = {first!r}
sys.path += {last!r}
try:
"""

# See pack_modules.py.  0o2000000 is O_CLOEXEC.
READ_PACK = """\
    import marshal, posix
    FD = posix.open({pack!r}, 0o2000000)
    HEAD = {head}
    LOADER, MAGIC, INDEX = marshal.loads(posix.pread(FD, HEAD, 0))
    exec(LOADER)
"""

# Whoever has no memory or no descriptors left is told so in a line, here as everywhere.
ENTER = """\
    from pyrunc.cli import entry
except (ImportError, MemoryError, OSError) as error:
    sys.exit(f"pyrunc failed: its own code cannot be loaded: {type(error).__name__}: {error}")
except KeyboardInterrupt:
    sys.exit(130)
entry()
"""


def first_lines(python: str) -> str:
    """What makes the kernel start the file with `python -IS`; through sh where the kernel cannot take the path."""
    direct = f"#!{python} -IS\n"
    if len(os.fsencode(direct)) <= SHEBANG_LIMIT and not any(character.isspace() for character in python):
        return direct
    if any(character in "\"'\\$`\n" for character in python):
        raise SystemExit(f"the path of the interpreter cannot stand in a script: {python!r}")
    # For sh the second line is a command, for Python it begins a string that ends on the third.
    return f"#!/bin/sh\n'''exec' \"{python}\" -IS \"$0\" \"$@\"\n' '''\n"


def launcher(python: str, first: list[str], last: list[str], pack: str = "", head: int = 0) -> str:
    """The text of the command.

    python: absolute path of the interpreter;  first: directories searched before the standard library;
    last: directories searched after it;  pack: a file of packed modules, whose head has `head` bytes.
    """
    read = READ_PACK.format(pack=pack, head=head) if pack else ""
    return first_lines(python) + PROGRAM.format(first=first, last=last) + read + ENTER


def write(path: Path, text: str, mode: int = 0o755) -> None:
    """Writes a file in one step; leaves one alone that has this text already."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)


def main() -> None:
    """usage: VENV/bin/python make_launcher.py OUTPUT      the command of this checkout and of this environment"""
    checkout = str(Path(__file__).resolve().parent.parent)
    site = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    python = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    command = Path(os.path.abspath(sys.argv[1]))
    modules = command.with_name("pyrunc.modules")
    head = pack_modules.write(modules, Path(checkout), Path(checkout), pack_modules.backend_of_this_environment())
    write(command, launcher(python, [checkout], site, str(modules), head))


if __name__ == "__main__":
    main()
