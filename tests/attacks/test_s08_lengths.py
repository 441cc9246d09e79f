"""S8 (CVE-2021-43784): lengths and NULs in what is sent to the helper."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.weakened import Change

pytestmark = pytest.mark.root

SHORT_LENGTHS: tuple[Change, ...] = (
    (
        "pyrunc/helper.py",
        "    length = len(payload)\n    return tag.to_bytes(4, byteorder) + length.to_bytes(4, byteorder)",
        "    length = len(payload)\n    return tag.to_bytes(4, byteorder) + (length & 0xFFFF).to_bytes(4, byteorder)",
    ),
    ("pyrunc/helper.py", '    if b"\\0" in data:\n', "    if not data and data:\n"),
    ("pyrunc/spec/rules_process.py", '    if "\\0" in "".join(strings):\n', "    if not pointer:\n"),
)


def record(payload: str, length: int) -> str:
    """A record of the helper's protocol as text: TAG_ENV, length, payload."""
    return "4\0\0\0" + length.to_bytes(4, "little").decode("ascii") + payload


@attack("S8", weak={"short lengths": SHORT_LENGTHS})
def test_smuggled(bundle: BundleFactory, attacked: Attacked) -> None:
    """A variable of 64 KiB does not end, for the helper, where its length as a 16-bit number says (after 8 bytes): what
    follows would be records of their own."""
    filling = "x" * (0x5548 - 1) + "\0"
    forged = [record("EVIL=xy\0", 8), *[record(filling, 0x5548)] * 3]
    variable = ("BIG=xyz\0" + "".join(forged))[:-1]  # the last NUL comes by itself
    assert len(variable) + 1 == 0x10000 + 8
    made = bundle(("/bin/env",))
    made.config["process"]["env"] = ["PATH=/bin", variable]
    result = attacked.run(made.save())
    broken_if("\nEVIL=xy\n" in "\n" + result.stdout, "a variable becomes two")
    if attacked.own:
        assert "NUL" in result.stderr


CHANGES: dict[str, Callable[[Any], object]] = {
    "args": lambda config: config["process"].update(args=["/bin/echo", "safe\0evil"]),
    "cwd": lambda config: config["process"].update(cwd="/\0/etc"),
    "hostname": lambda config: config.update(hostname="a\0b"),
    "env": lambda config: config["process"]["env"].append("A=\0B"),
    "mask": lambda config: config["linux"].update(maskedPaths=["/proc/keys\0x"]),
    "mount": lambda config: config["mounts"].append({"destination": "/x\0y", "type": "tmpfs", "source": "t"}),
    "root": lambda config: config["root"].update(path="rootfs\0x"),
}


@attack("S8", inner="others cut strings at a NUL or refuse them; neither helps an attacker")
@pytest.mark.parametrize("name", list(CHANGES))
def test_nul_in_strings(name: str, bundle: BundleFactory, attacked: Attacked) -> None:
    made = bundle("echo ran")
    CHANGES[name](made.config)
    result = attacked.run(made.save())
    broken_if(result.stdout, "the container ran")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


@attack("S8")
def test_long_lists(bundle: BundleFactory, attacked: Attacked) -> None:
    """Far beyond 64 KiB: all of it arrives, or an error says that it is too much."""
    made = bundle(["/bin/sh", "-c", "echo $# ${#BIG} ${EVIL:-none}", *(["x" * 40] * 5000)])
    made.config["process"]["env"].append("BIG=" + "y" * 100_000)
    small = attacked.run(made.save())
    broken_if(small.returncode == 0 and small.stdout != "4999 100000 none\n", "what arrives is something else")
    if attacked.own:
        assert small.returncode == 0
    made.config["process"]["env"].append("HUGE=" + "y" * (1 << 18))  # one string of more than 128 KiB: execve's limit
    result = attacked.run(made.save())
    broken_if(result.stdout, "what cannot be executed is")
    if attacked.own:
        assert result.returncode == 1
        assert "argument list too long" in result.stderr


@attack("S8")
def test_more_arguments_than_execve_takes(bundle: BundleFactory, attacked: Attacked) -> None:
    """In a file of a size that is read; the runtime neither hangs nor drops some."""
    made = bundle(["/bin/sh", "-c", "echo ran $#", *(["x"] * (1 << 18))])
    result = attacked.in_time(lambda: attacked.run(made, timeout=50), "as many arguments")
    broken_if("ran" in result.stdout and f"ran {(1 << 18) - 1}\n" != result.stdout, "arguments are lost")
    if attacked.own:
        assert "argument list too long" in result.stderr or result.returncode == 0


@attack("S8")
def test_many_mappings(bundle: BundleFactory, attacked: Attacked) -> None:
    """70000 bytes of mappings: the user namespace is there with all of them, or there is no container."""
    made = bundle("cat /proc/self/uid_map | wc -l")
    made.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        made.config["linux"][kind] = [
            {"containerID": number, "hostID": 100_000 + number, "size": 1} for number in range(5000)
        ]
    result = attacked.run(made.save())
    broken_if(result.stdout not in ("", "5000\n"), "the container runs with other mappings")
    if attacked.own:
        assert result.returncode == 1
        assert "Mappings" in result.stderr or "uid_map" in result.stderr
