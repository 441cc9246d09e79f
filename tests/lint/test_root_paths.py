"""Names of the container's files are looked up by the kernel, below a descriptor (SECURITY.md, H1)."""

import ast

import pytest

from tests.support.code import OPERATIONS, calls

BY_NAME = "open mkdir mknod mkfifo rename replace unlink remove rmdir symlink link readlink lstat access lchown chroot"
ALSO_BY_DESCRIPTOR = "stat chmod chown chdir truncate utime listdir scandir listxattr getxattr setxattr statvfs"
FROM_HERE = ("open_tree", "fspick", "openat2", "syscalls.open_tree", "syscalls.fspick", "syscalls.openat2")
WHOLE_PATHS = ("mount", "umount2", "syscalls.mount", "syscalls.umount2")
HOST_PATHS = {
    ("bind.py", "open_tree(AT_FDCWD, self.source, flags)"): "what is bound is a path of the host's",
    ("cgroup_mount.py", "open_tree(AT_FDCWD, path, OPEN_TREE_CLONE)"): "the host's cgroup hierarchies",
    ("devices.py", "open_tree(AT_FDCWD, self.path, OPEN_TREE_CLONE)"): "the host's device, for a user namespace",
    ("devices.py", "posix.access('/proc/kcore', posix.F_OK)"): "the host's procfs",
    ("host_mounts.py", "umount2(target, MNT_DETACH)"): "mounts of the host, by the names that mountinfo has",
    ("host_mounts.py", "mount('tmpfs', target, 'tmpfs', MS_RDONLY, 'size=4k,mode=000')"): "the same",
    ("live.py", "umount2(str(mount), MNT_EXPIRE)"): "below a directory of descriptors",
    ("live.py", "umount2(str(mount), MNT_DETACH)"): "the same",
    ("masks.py", "posix.open('/dev/null', posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)"): "checked to be 1:3",
    ("old_mount.py", "mount(self.source or 'none', f'/proc/self/fd/{target}', self.fstype, flags, data)"): (
        "onto a descriptor, for what fsconfig cannot say"
    ),
    ("rootfs.py", "mount('', '/', None, self.flags)"): "the host's root, in a new mount namespace",
    ("rootfs.py", "mount('', path, None, MS_PRIVATE)"): "a mount of the host's, above the root file system",
    ("rootfs.py", "open_tree(AT_FDCWD, build.rootfs, OPEN_TREE_CLONE | AT_RECURSIVE)"): "root.path",
    ("rootfs.py", "posix.open(build.rootfs, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)"): "the same",
}


def is_text(node: ast.expr) -> bool:
    """Whether an expression is certainly a string: one that is written there, or put together."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp):
        return is_text(node.left) or is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("join"))


def paths_by_string(source: str) -> list[str]:
    """Calls that look a name up from the root or the working directory, and modules that do so."""
    found = []
    tree = ast.parse(source)
    for called, node in calls(tree):
        text = ast.unparse(node)
        keywords = {keyword.arg for keyword in node.keywords}
        module, _, function = called.rpartition(".")
        if (
            (
                module == "posix"
                and function in BY_NAME.split()
                and not keywords & {"dir_fd", "src_dir_fd", "dst_dir_fd"}
            )
            or (module == "posix" and function in ALSO_BY_DESCRIPTOR.split() and is_text(node.args[0]))
            or (called in FROM_HERE and ast.unparse(node.args[0]).endswith("AT_FDCWD"))
            or called in WHOLE_PATHS
            or called == "open"
        ):
            found.append(text)
    for each in ast.walk(tree):
        names = [alias.name for alias in each.names] if isinstance(each, ast.Import) else []
        if isinstance(each, ast.ImportFrom):
            names = [each.module or ""]
        found += [name for name in names if name.split(".")[0] in ("os", "pathlib", "shutil", "glob", "tempfile")]
    return found


def test_paths_in_the_root() -> None:
    """Only the host's are looked up by their names, each for the reason that stands with it."""
    found = {(path.name, text) for path in OPERATIONS for text in paths_by_string(path.read_text())}
    assert found == set(HOST_PATHS)


@pytest.mark.parametrize(
    "line",
    [
        "posix.mkdir(build.rootfs + name)",
        "posix.open(path, posix.O_PATH | posix.O_CLOEXEC)",
        "posix.rename(old, new)",
        'posix.chmod(f"{root}/dev", 0o755)',
        "posix.stat(pathnames.join(root, name))",
        "open(path)",
        "import os",
        "from os.path import join",
        "mount(source, target, None, MS_BIND)",
        "open_tree(syscalls.AT_FDCWD, path, 1)",
    ],
)
def test_paths_by_string_can_fail(line: str) -> None:
    assert len(paths_by_string(line)) == 1


def test_only_one_module_resolves() -> None:
    """openat2(2) below the root is called in one place, where its flags are."""
    users = {
        path.name for path in OPERATIONS for called, _ in calls(ast.parse(path.read_text())) if "openat2" in called
    }
    assert users == {"paths.py"}
