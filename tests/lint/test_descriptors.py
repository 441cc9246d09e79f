"""Descriptors are close-on-exec from birth, in Python and in C (SECURITY.md, H3)."""

import ast
import re

import pytest

from tests.support.code import CHECKOUT, MODULES, calls, name_of

C_FILES = sorted((CHECKOUT / "csrc").glob("*.c"))
INHERITED = {
    "pyrunc/cli.py": ["posix.open('/dev/null', posix.O_RDWR)", "posix.set_inheritable(fd, True)"],  # 0 to 2
}
NEEDS_FLAG = {
    "pipe2": "O_CLOEXEC",
    "memfd_create": "MFD_CLOEXEC",
    "eventfd": "EFD_CLOEXEC",
    "open": "O_CLOEXEC",
}


def assigned(tree: ast.AST) -> dict[str, str]:
    """The texts of all that names are bound to, a name's all in one: enough to look for a flag in."""
    texts: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    texts[target.id] = f"{texts.get(target.id, '')} {ast.unparse(node.value)}"
    return texts


def inheritable(source: str, constants: "dict[str, str]") -> list[str]:
    """Calls of `os` and `posix` that make descriptors which an exec leaves open, or that do not say otherwise.

    constants: of the package's modules, for flags that come from there
    """
    tree = ast.parse(source)
    texts = {**constants, **assigned(tree)}
    found = []
    for called, node in calls(tree):
        module, _, function = called.rpartition(".")
        if module not in ("os", "posix"):
            continue
        text = ast.unparse(node)
        values = text + "".join(texts.get(inner.id, "") for inner in ast.walk(node) if isinstance(inner, ast.Name))
        if (
            (function in NEEDS_FLAG and NEEDS_FLAG[function] not in values)
            or (function == "dup2" and "inheritable=False" not in text)
            or function == "forkpty"
            or (function == "set_inheritable" and "False" not in text)
        ):
            found.append(text)
    return found


def test_python_descriptors() -> None:
    sources = {name_of(path): path.read_text() for path in MODULES}
    constants: dict[str, str] = {}
    for source in sources.values():
        constants |= {name: text for name, text in assigned(ast.parse(source)).items() if name.isupper()}
    found = {name: inheritable(source, constants) for name, source in sources.items()}
    assert {name: texts for name, texts in found.items() if texts} == INHERITED


@pytest.mark.parametrize(
    "line",
    [
        "posix.open(path, posix.O_RDONLY)",
        "FLAGS = posix.O_RDONLY\nposix.open(path, FLAGS)",
        "os.forkpty()",
        "posix.pipe2(0)",
        "os.dup2(3, 0)",
        "posix.set_inheritable(fd, True)",
        "os.memfd_create('x', 0)",
    ],
)
def test_python_descriptors_can_fail(line: str) -> None:
    assert len(inheritable(line, {})) == 1


CLOEXEC = re.compile(r"CLOEXEC")
MAKES = re.compile(
    r"\b(?:open|openat|open_under|socket|socketpair|accept4?|pipe2?|dup[23]?|memfd_create|epoll_create1?|eventfd|fopen"
    r"|inotify_init1?|timerfd_create|signalfd|recvmsg|shm_open|creat)\([^;]*;"
    r"|\b(?:SYS_(?:open|openat|openat2|open_tree|fsopen|fsmount|fspick|memfd_create|signalfd4|dup[23]?|accept4?|socket)"
    r"|F_DUPFD\w*|TIOCGPTPEER)\b[^;]*;"
)
PASSED_ON = {
    "init.c": ['open("/dev/null", O_RDWR);'],  # the program's 0 to 2
    # open_under adds the flag to what it is given; /dev/console's flags are in a struct.
    "init_io.c": ["SYS_openat2, dirfd, path, &how, sizeof how);"],
    "init_terminal.c": ['SYS_openat2, AT_FDCWD, "/dev/console", &how, sizeof how);'],
    # syscalls.py adds the flag.
    "shim.c": [
        "SYS_openat2, dirfd, path, &how, sizeof how));",
        "SYS_open_tree, dirfd, path, flags));",
        "SYS_fsopen, fstype, flags));",
        "SYS_fsmount, fs_fd, flags, attributes));",
        "SYS_fspick, dirfd, path, flags));",
    ],
    # A helper's descriptor 3.
    "spawn.c": ["SYS_dup3, child->control_fd, CONTROL_FD, 0, 0, 0);"],
}
STANDARD = re.compile(
    r"\bdup2\((?:input, 0|output, [12]|slave, fd|own, fd|stdio\[i\], i|setup->preserve\[i\], [^;]*)\)"
)


def inheritable_in_c(source: str) -> list[str]:
    """Statements that make a descriptor and do not say CLOEXEC, but for those that give a program its own."""
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    found = [match[0] for match in MAKES.finditer(source)]
    return [
        text for text in found if not CLOEXEC.search(text) and not STANDARD.match(text) and "open_under(" not in text
    ]


def test_c_descriptors() -> None:
    found = {path.name: inheritable_in_c(path.read_text()) for path in C_FILES}
    assert {name: texts for name, texts in found.items() if texts} == PASSED_ON


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("csrc/init_io.c", ".flags = (uint64_t)(flags | O_CLOEXEC)"),
        ("csrc/init_terminal.c", ".flags = O_CREAT | O_EXCL | O_RDONLY | O_NOCTTY | O_CLOEXEC"),
        ("pyrunc/syscalls.py", "lib.sh_openat2(dirfd, encode(path), flags | 0o2000000, "),
        ("pyrunc/syscalls.py", "lib.sh_open_tree(dirfd, encode(path), flags | 0o2000000)"),
        ("pyrunc/syscalls.py", "lib.sh_fsopen(encode(fstype), 1)"),
        ("pyrunc/syscalls.py", "lib.sh_fsmount(fs_fd, 1, "),
        ("pyrunc/syscalls.py", "lib.sh_fspick(dirfd, encode(path), flags | 1)"),
    ],
)
def test_flags_that_are_added_elsewhere(file: str, text: str) -> None:
    """Where the statement itself does not say it."""
    assert text in (CHECKOUT / file).read_text()


@pytest.mark.parametrize(
    "line",
    [
        'int fd = open("/x", O_RDONLY);',
        "int fd = accept(listener, NULL, NULL);",
        "int fd = socket(AF_UNIX, SOCK_STREAM, 0);",
        "pipe(ends);",
        "int fd = dup(other);",
        "dup2(other, 5);",
        "fcntl(fd, F_DUPFD, 3);",
        "syscall(SYS_memfd_create, name, 0);",
        "recvmsg(fd,\n    &message, 0);",
    ],
)
def test_c_descriptors_can_fail(line: str) -> None:
    assert len(inheritable_in_c(line)) == 1
