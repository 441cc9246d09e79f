"""S24 (CVE-2026-30892): a user that is hard to read does not become root, nor one with root's groups."""

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.weakened import Change

pytestmark = pytest.mark.root

PLAIN_INT: Change = (
    "pyrunc/user.py",
    "    if digits.isascii() and digits.isdigit() and len(digits) <= 10:\n        value = int(digits)\n",
    "    if digits:\n        value = int(digits) & 0xFFFFFFFF\n",
)
GOOD = {"1": (1, 0), "1:1": (1, 1), "4294967294:7": (4294967294, 7)}
"""User as text -> uid and gid."""
BAD = (
    *(" 1", "1:", ":1", "1:1:1", "+1", "0x1", "1_0", "root", "a:1", "1:a", "-1", "1.0", "\u0661", "1\n"),
    *("4294967295", "4294967296", "1:4294967296", "18446744073709551616"),
)
SHOW = ("/bin/sh", "-c", "echo uid $(id -u) gid $(id -g); grep CapEff /proc/self/status")
NO_CAPABILITIES = "CapEff:\t0000000000000000"


@attack("S24", weak={"plain int": (PLAIN_INT,)})
def test_exec_user(bundle: BundleFactory, attacked: Attacked) -> None:
    container_id, _ = attacked.create(bundle("exit 0"))
    for user, (uid, gid) in GOOD.items():
        text = attacked("exec", f"--user={user}", container_id, *SHOW).stdout
        broken_if(text and f"uid {uid} gid {gid}\n" not in text, f"user {user!r} becomes {text.splitlines()[:1]}")
        broken_if(text and NO_CAPABILITIES not in text, f"user {user!r} has capabilities")
    for user in BAD:
        result = attacked("exec", f"--user={user}", container_id, *SHOW)
        broken_if("uid 0 " in result.stdout, f"user {user!r} becomes root")
        group = user.partition(":")[2].strip("0")
        broken_if(group and "gid 0\n" in result.stdout, f"user {user!r} gets root's group")
        if attacked.own:
            assert result.returncode != 0
            assert result.stdout == ""


@attack("S24")
@pytest.mark.parametrize("value", ["4294967296", "4294967295", "-1", "1.5", '"1"', "true"])
def test_process_file(value: str, bundle: BundleFactory, attacked: Attacked) -> None:
    """The same in process.json: what is no number of a user is refused, or at least not taken for root."""
    made = bundle("exit 0")
    container_id, _ = attacked.create(made)
    path = made.path / "process.json"
    path.write_text(
        f'{{"user": {{"uid": {value}, "gid": 1}}, "cwd": "/", "env": ["PATH=/bin"],'
        ' "args": ["/bin/sh", "-c", "echo uid $(id -u) end"]}'
    )
    result = attacked("exec", "--process", path, container_id)
    broken_if("uid 0 end" in result.stdout, f"user {value} becomes root")
    if attacked.own:
        assert result.returncode != 0
