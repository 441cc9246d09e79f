"""S1 (CVE-2016-3697, CVE-2026-30892): users are numbers; the image's /etc/passwd is read with suspicion."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.inside import probe, see
from tests.support.runtime import Pyrunc
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


def accepted(pyrunc: Pyrunc, made: Bundle) -> list[str]:
    """Those of the bad users that exec takes.  The image would make user 1000 root, if it were asked."""
    (made.rootfs / "etc/passwd").write_text("1000:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
    container_id, _ = pyrunc.create(made)
    assert pyrunc.ok("exec", "--user", "1000", container_id, "id", "-u").stdout == "1000\n"
    return [user for user in BAD_USERS if pyrunc("exec", f"--user={user}", container_id, "true").returncode == 0]


def test_exec_user(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert accepted(pyrunc, bundle("exit 0")) == []


def test_exec_user_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    """With int() alone and a cut to 32 bits, 4294967296 is root."""
    assert {"4294967296", "1_0", " 7", "\u0663"} <= set(accepted(weak(PLAIN_INT), bundle("exit 0")))


@pytest.mark.parametrize("uid", ["-1", "4294967295", "4294967297", "1e3", "1.5", "true", '"0"', "[0]"])
def test_uid_of_the_configuration(uid: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle("exit 0")
    text = (made.path / "config.json").read_text()
    assert text.count('"uid": 0') == 1
    (made.path / "config.json").write_text(text.replace('"uid": 0', f'"uid": {uid}'))
    result = pyrunc.run(made)
    assert result.returncode == 1
    assert "uid" in result.stderr


def home_from(pyrunc: Pyrunc, made: Bundle, write: Callable[[Path], None]) -> object:
    """HOME of a process whose image has that for an /etc/passwd."""
    made.config["process"]["env"] = ["PATH=/bin"]
    passwd = made.rootfs / "etc/passwd"
    passwd.unlink()
    write(passwd)
    environment = dict(entry.split("=", 1) for entry in see(pyrunc, made, timeout=5.0)["env"])
    return environment["HOME"]


def huge(passwd: Path) -> None:
    """10 GiB, all holes but the first line."""
    passwd.write_text("root:x:0:0::/evil:/bin/sh\n")
    os.truncate(passwd, 10 << 30)


def large(passwd: Path) -> None:
    passwd.write_text("root:x:0:0::/evil:/bin/sh\n" + "#" * (2 << 20))


@pytest.mark.parametrize(
    "write",
    [os.mkfifo, huge, large, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()],
    ids=["fifo", "huge", "large", "zero", "folder"],
)
def test_passwd(write: Callable[[Path], None], bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """It neither hangs nor grows."""
    assert home_from(pyrunc, probe(bundle), write) == "/"


def test_passwd_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert home_from(weak(NO_SIZE_LIMIT), probe(bundle), large) == "/evil"
