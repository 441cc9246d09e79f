"""A user with ranges of ids who exists in this run's mount namespace only."""

import subprocess
from pathlib import Path


def add_user(folder: Path, name: str, uid: int, first: int, count: int = 65536, home: str = "/") -> None:
    """Puts a user and his ranges of users and groups into /etc, by files from the folder that are mounted there."""
    for kind in ("subuid", "subgid"):
        over(folder, kind, f"{name}:{first}:{count}\n")
    for kind, line in (("passwd", f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n"), ("group", f"{name}:x:{uid}:\n")):
        over(folder, kind, Path("/etc", kind).read_text() + line)


def over(folder: Path, kind: str, text: str) -> None:
    """Mounts a file with the text over that of /etc."""
    made = folder / kind
    made.write_text(text)
    made.chmod(0o644)
    subprocess.run(["mount", "--bind", made, f"/etc/{kind}"], check=True)


def remove_user() -> None:
    """Takes the mounts away again."""
    for kind in ("subuid", "subgid", "passwd", "group"):
        subprocess.run(["umount", f"/etc/{kind}"], capture_output=True)
