"""What must stay as it is on the host while a container attacks it."""

import hashlib
import os
import sys
from pathlib import Path

from tests.support.bundles import Bundle, BundleFactory


def digest(path: "str | os.PathLike[str]") -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Canary:
    """A folder of the host beside a root file system: any change in it is an escape."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        (path / "file").write_text("host\n")
        (path / "ptmx").write_text("marker\n")
        self.before = self.look()

    def look(self) -> dict[str, tuple[int, int, int, int, str]]:
        """Of everything in the folder: mode, owner, group, device number and contents."""
        seen = {}
        for entry in [self.path, *sorted(self.path.rglob("*"))]:
            status = entry.lstat()
            text = digest(entry) if entry.is_file() and not entry.is_symlink() else ""
            name = str(entry.relative_to(self.path))
            seen[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, text)
        return seen

    @property
    def intact(self) -> bool:
        """Whether nothing has changed."""
        return self.look() == self.before

    @property
    def link(self) -> str:
        """The text of a link that leads here from any depth of a root file system, if links may leave that."""
        return "../" * 32 + str(self.path).lstrip("/")


def secret(bundle: BundleFactory, canary: Canary, kind: str) -> Bundle:
    """A container that masks, or makes read-only (kind: the property's name), what a link leads to, which would be the
    canary outside of the root; it tries to reach that."""
    made = bundle("cat /vol/secret/file; echo x > /vol/secret/file; echo; mkdir /vol/secret/y && echo made")
    inside = made.rootfs / str(canary.path).lstrip("/")
    inside.mkdir(parents=True)
    (inside / "file").write_text("secret\n")
    (made.rootfs / "vol").mkdir()
    (made.rootfs / "vol/secret").symlink_to(canary.link)
    made.config["root"]["readonly"] = False
    made.config["linux"].update(maskedPaths=[], readonlyPaths=[])
    made.config["linux"][kind] = ["/vol/secret"]
    return made.save()


def code_of(package: Path) -> dict[str, str]:
    """The hashes of what executes when pyrunc runs: the interpreter, the C library and all other libraries of this
    process, and in the package the extension and pyrunc-init."""
    mapped = set()
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].startswith("/") and "x" in fields[1]:
                mapped.add(fields[5].rstrip("\n"))
    files: list[str | Path] = [sys.executable, *sorted(mapped), *package.glob("_shim*.so"), package / "pyrunc-init"]
    return {os.path.realpath(path): digest(path) for path in files}
