"""S1 (CVE-2016-3697, CVE-2026-30892): users are numbers; the image's /etc/passwd is read with suspicion."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.weakened import Change

pytestmark = pytest.mark.root

BAD_USERS = (
    *("-1", "+7", " 7", "7 ", "1_0", "1e3", "0x10", "\u0663", "4294967295", "4294967296", "4294967297"),
    *("root", "1000x", "7:", ":7", "7:-1", "7:4294967296", "7:7:7"),
)
PLAIN_INT: Change = (
    "pyrunc/user.py",
    "    if digits.isascii() and digits.isdigit() and len(digits) <= 10:\n        value = int(digits)\n",
    "    if digits:\n        value = int(digits) & 0xFFFFFFFF\n",
)
NO_SIZE_LIMIT: Change = ("csrc/init_program.c", " && status.st_size <= PASSWD_MAX", "")


@attack("S1", weak={"plain int": (PLAIN_INT,)})
def test_exec_user(bundle: BundleFactory, attacked: Attacked) -> None:
    """The image would make user 1000 root, if it were asked.  With int() and a cut to 32 bits, 4294967296 is root."""
    made = bundle("exit 0")
    (made.rootfs / "etc/passwd").write_text("1000:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
    container_id, _ = attacked.create(made)
    shown = attacked.undecided_unless(attacked("exec", "--user", "1000", container_id, "id", "-u"), "exec").stdout
    broken_if(shown != "1000\n", f"user 1000 is {shown}")
    taken = {}
    for user in BAD_USERS:
        result = attacked("exec", f"--user={user}", container_id, "id", "-u")
        if result.returncode == 0:
            taken[user] = result.stdout.strip()
    broken_if({user for user, uid in taken.items() if uid == "0"}, "users that become root")
    if attacked.own:
        assert taken == {}


@attack("S1")
@pytest.mark.parametrize("uid", ["-1", "4294967295", "4294967296", "4294967297", "1e3", "1.5", "true", '"0"', "[0]"])
def test_uid_of_the_configuration(uid: str, bundle: BundleFactory, attacked: Attacked) -> None:
    made = bundle(("/bin/id", "-u"))
    text = (made.path / "config.json").read_text()
    assert text.count('"uid": 0') == 1
    (made.path / "config.json").write_text(text.replace('"uid": 0', f'"uid": {uid}'))
    result = attacked.run(made)
    broken_if(result.stdout == "0\n" and uid.strip('[]"') != "0", f"a user {uid} is root")
    if attacked.own:
        assert result.returncode == 1
        assert "uid" in result.stderr


def huge(passwd: Path) -> None:
    """10 GiB, all holes but the first line."""
    passwd.write_text("root:x:0:0::/evil:/bin/sh\n")
    os.truncate(passwd, 10 << 30)


def large(passwd: Path) -> None:
    passwd.write_text("root:x:0:0::/evil:/bin/sh\n" + "#" * (2 << 20))


def zero(passwd: Path) -> None:
    """The host's device, in the image."""
    os.mknod(passwd, 0o20666, os.makedev(1, 5))


PASSWORDS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "huge": huge,
    "large": large,
    "link": lambda path: path.symlink_to("/dev/zero"),
    "zero": zero,
    "folder": Path.mkdir,
}


@attack("S1")
@pytest.mark.parametrize("kind", list(PASSWORDS))
def test_passwd(kind: str, bundle: BundleFactory, attacked: Attacked) -> None:
    """Reading it neither hangs nor grows."""
    made = bundle("echo $HOME")
    made.config["process"]["env"] = ["PATH=/bin"]
    passwd = made.rootfs / "etc/passwd"
    passwd.unlink()
    PASSWORDS[kind](passwd)
    result = attacked.in_time(lambda: attacked.run(made.save(), timeout=20), "a hostile passwd")
    broken_if("annot allocate memory" in result.stderr or "out of memory" in result.stderr, "it takes all memory")
    if attacked.own:
        assert result.stdout == "/\n"


@attack("S1", weak={"no limit": (NO_SIZE_LIMIT,)}, inner="where the limit of what is read of passwd lies")
def test_size_of_passwd(bundle: BundleFactory, attacked: Attacked) -> None:
    made = bundle("echo $HOME")
    made.config["process"]["env"] = ["PATH=/bin"]
    large(made.rootfs / "etc/passwd")
    broken_if(attacked.run(made.save()).stdout == "/evil\n", "more than the limit is read")
