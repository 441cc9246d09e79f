"""Packs the package's byte code into one file that the command reads its modules from.

Finding, checking and reading some fifty files is a third of the time that the interpreter takes for a short
command.  In the pack a module is one pread(2) at a known place, and the extension modules are looked for nowhere
else than where they are.  Byte code is without docstrings and assertions, as with -OO.

The pack belongs to one interpreter: the command names that one by its absolute path, and when it has been replaced by
another version the modules are imported from their files again.
"""

import ast
import importlib.util
import marshal
import os
import sys
import sysconfig
from pathlib import Path
from types import CodeType

# Run by the command with FD, HEAD, MAGIC and INDEX as globals.
LOADER = '''\
"""Imports the modules of the pack (made by tools/pack_modules.py)."""

import sys
from marshal import loads
from posix import close, dup, pread

from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader

ModuleType = type(sys)


class Pack:
    """A finder and loader.  INDEX: name -> (is a package, file, offset, size); size 0 is an extension module.

    At the offset stand, marshalled, the modules of the pack that the module imports when it is executed, each after
    those that it needs itself, and its code.  What it needs is made here, without asking the import system for each.
    """

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

    def exec_module(self, module):
        _, _, offset, size = INDEX[module.__name__]
        needs, code = loads(pread(FD, size, HEAD + offset))
        modules = sys.modules
        for name in needs:
            if name not in modules:
                self.make(name, modules)
        exec(code, module.__dict__)

    def make(self, name, modules):
        is_package, file, offset, size = INDEX[name]
        modules[name] = module = ModuleType(name)
        module.__file__ = file
        module.__loader__ = self
        package, _, last = name.rpartition(".")
        if is_package:
            module.__path__ = [file.rpartition("/")[0]]
            module.__package__ = name
        else:
            module.__package__ = package
        try:
            exec(loads(pread(FD, size, HEAD + offset))[1], module.__dict__)
        except BaseException:
            del modules[name]
            raise
        if package:
            setattr(modules[package], last, module)

    def stay_above(self, number):
        """Moves the pack's descriptor out of the way of those below number, which are the caller's to pass on."""
        global FD
        if number > FD:
            from pyrunc.syscalls import F_DUPFD_CLOEXEC, fcntl

            old, FD = FD, fcntl(FD, F_DUPFD_CLOEXEC, number)
            close(old)


low = []
while FD < 3:  # the caller has closed 0, 1 or 2: they are not for us
    low.append(FD)
    FD = dup(FD)
for fd in low:
    close(fd)
if MAGIC_NUMBER == MAGIC:
    sys.meta_path.insert(0, Pack())
'''


def imported(source: bytes, name: str, known: set[str]) -> list[str]:
    """The modules of the pack that a module imports at its top level, with their packages, in order."""
    found: dict[str, None] = {}

    def add(dotted: str) -> None:
        parts = dotted.split(".")
        for end in range(1, len(parts) + 1):
            part = ".".join(parts[:end])
            if part in known and part != name:
                found[part] = None

    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            add(node.module)
            for alias in node.names:
                if f"{node.module}.{alias.name}" in known:
                    add(f"{node.module}.{alias.name}")
    return list(found)


def needs_of(name: str, direct: dict[str, list[str]]) -> tuple[str, ...]:
    """All modules that a module needs, each after its own needs; SystemExit when they need each other in a circle."""
    order: dict[str, None] = {}

    def visit(module: str, above: tuple[str, ...]) -> None:
        if module in above:
            sys.exit(f"circular imports: {' -> '.join([*above, module])}")
        for needed in direct[module]:
            if needed not in order and not module.startswith(f"{needed}."):
                visit(needed, (*above, module))
            elif needed not in order:
                # A package is executed before its modules, and nothing in it may wait for them.
                visit(needed, ())
        order[module] = None

    visit(name, ())
    del order[name]
    return tuple(order)


def code_of(source: bytes, name: Path) -> CodeType:
    """The module's code, which says in tracebacks that it is from the file `name`."""
    code: CodeType = compile(source, str(name), "exec", dont_inherit=True, optimize=2)
    return code


def module_name(path: Path) -> str:
    """The dotted name of a module by its path relative to where it is imported from."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def pack(folder: Path, final: Path, backend: Path) -> tuple[bytes, int]:
    """The pack of the package in folder/pyrunc, and the size of its head.

    final: where that folder will be for the command;  backend: the same of _cffi_backend's file
    The head is marshalled: the loader's code, and the index, whose offsets count from the head's end.
    """
    shim = f"pyrunc/_shim{sysconfig.get_config_var('EXT_SUFFIX')}"
    index: dict[str, tuple[bool, str, int, int]] = {
        "_cffi_backend": (False, str(backend), 0, 0),
        "pyrunc._shim": (False, str(final / shim), 0, 0),
    }
    accelerator = importlib.util.find_spec("_json")
    if accelerator is not None and accelerator.has_location:  # not built into this interpreter
        index["_json"] = (False, str(accelerator.origin), 0, 0)
    sources = {path.relative_to(folder): path.read_bytes() for path in sorted((folder / "pyrunc").rglob("*.py"))}
    known = {module_name(path) for path in sources}
    direct = {module_name(path): imported(source, module_name(path), known) for path, source in sources.items()}
    body = b""
    for path, source in sources.items():
        name = module_name(path)
        entry = marshal.dumps((needs_of(name, direct), code_of(source, final / path)))
        index[name] = (path.name == "__init__.py", str(final / path), len(body), len(entry))
        body += entry
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
