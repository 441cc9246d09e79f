"""Packs the package's byte code into one file that the command reads its modules from.

Finding, checking and reading some fifty files is a third of the time that the interpreter takes for a short
command.  In the pack a module is one pread(2) at a known place, and the two extension modules are looked for nowhere
else than where they are.  Byte code is without docstrings and assertions, as with -OO.

The pack belongs to one interpreter: the command names that one by its absolute path, and when it has been replaced by
another version the modules are imported from their files again.
"""

import importlib.util
import marshal
import os
import sys
import sysconfig
from pathlib import Path

# Run by the command with FD, HEAD, MAGIC and INDEX as globals.
LOADER = '''\
"""Imports the modules of the pack (made by tools/pack_modules.py)."""

import sys
from marshal import loads
from posix import pread

from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader


class Pack:
    """A finder and loader: name -> (is a package, file, offset, size); size 0 is an extension module."""

    def find_spec(self, name, path=None, target=None):
        entry = INDEX.get(name)
        if entry is None:
            return None
        is_package, file, _, size = entry
        if not size:
            return ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
        spec = ModuleSpec(name, self, origin=file, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(file.rpartition("/")[0])
        return spec

    def create_module(self, spec):
        return None

    def stay_above(self, number):
        """Moves the pack's descriptor out of the way of those below number, which are the caller's to pass on."""
        global FD
        if number > FD:
            from posix import close

            from pyrunc.syscalls import F_DUPFD_CLOEXEC, fcntl

            old, FD = FD, fcntl(FD, F_DUPFD_CLOEXEC, number)
            close(old)

    def exec_module(self, module):
        _, _, offset, size = INDEX[module.__name__]
        exec(loads(pread(FD, size, HEAD + offset)), module.__dict__)


if MAGIC_NUMBER == MAGIC:
    sys.meta_path.insert(0, Pack())
'''


def code_of(source: Path, name: Path) -> bytes:
    """The module's code, which says in tracebacks that it is from the file `name`."""
    return marshal.dumps(compile(source.read_bytes(), str(name), "exec", dont_inherit=True, optimize=2))


def module_name(path: Path) -> str:
    """The dotted name of a module by its path relative to where it is imported from."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def pack(folder: Path, final: Path, backend: Path) -> tuple[bytes, int]:
    """The pack of the package in folder/pyrunc, and the size of its head.

    final: where that folder will be for the command;  backend: the same of _cffi_backend's file
    The head is marshalled: the loader's code, and the index, whose offsets count from the head's end.
    """
    index: dict[str, tuple[bool, str, int, int]] = {"_cffi_backend": (False, str(backend), 0, 0)}
    shim = f"pyrunc/_shim{sysconfig.get_config_var('EXT_SUFFIX')}"
    index["pyrunc._shim"] = (False, str(final / shim), 0, 0)
    body = b""
    for path in sorted((folder / "pyrunc").rglob("*.py")):
        relative = path.relative_to(folder)
        code = code_of(path, final / relative)
        index[module_name(relative)] = (path.name == "__init__.py", str(final / relative), len(body), len(code))
        body += code
    loader = compile(LOADER, "<pyrunc pack>", "exec", dont_inherit=True, optimize=2)
    head = marshal.dumps((loader, importlib.util.MAGIC_NUMBER, index))
    return head + body, len(head)


def write(path: Path, folder: Path, final: Path, backend: Path) -> int:
    """Writes the pack, in one step, and gives the size of its head."""
    data, head = pack(folder, final, backend)
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_bytes(data)
        new.chmod(0o644)
        new.rename(path)
    return head


def backend_of_this_environment() -> Path:
    """Where the interpreter that runs this finds _cffi_backend."""
    spec = importlib.util.find_spec("_cffi_backend")
    if spec is None or spec.origin is None:
        sys.exit("cffi is not installed")
    return Path(spec.origin)
