"""S8 (CVE-2021-43784): lengths and NULs in what is sent to the helper."""

from collections.abc import Callable

import pytest

from tests.support.bundles import BundleFactory
from tests.support.inside import probe
from tests.support.runtime import Pyrunc
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


def smuggled(pyrunc: Pyrunc, bundle: BundleFactory) -> bool:
    """Whether a variable of 64 KiB ends, for the helper, where its length as a 16-bit number says (after 8 bytes):
    what follows would be records of their own."""
    filling = "x" * (0x5548 - 1) + "\0"
    forged = [record("EVIL=xy\0", 8), *[record(filling, 0x5548)] * 3]
    variable = ("BIG=xyz\0" + "".join(forged))[:-1]  # the last NUL comes by itself
    assert len(variable) + 1 == 0x10000 + 8
    made = probe(bundle)
    made.config["process"]["env"] = ["PATH=/bin", variable]
    result = pyrunc.run(made.save())
    assert result.returncode == 0 or "NUL" in result.stderr
    return result.returncode == 0 and "EVIL=xy" in result.json()["env"]


def test_nul_in_strings(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert not smuggled(pyrunc, bundle)
    for change in (
        lambda config: config["process"].update(args=["/bin/echo", "safe\0evil"]),
        lambda config: config["process"].update(cwd="/\0/etc"),
        lambda config: config.update(hostname="a\0b"),
        lambda config: config["process"]["env"].append("A=\0B"),
        lambda config: config["linux"].update(maskedPaths=["/proc/keys\0x"]),
        lambda config: config["mounts"].append({"destination": "/x\0y", "type": "tmpfs", "source": "t"}),
        lambda config: config["root"].update(path="rootfs\0x"),
    ):
        made = bundle("echo ran")
        change(made.config)
        result = pyrunc.run(made.save())
        assert result.returncode == 1
        assert "ran" not in result.stdout
        assert "Traceback" not in result.stderr


def test_nul_in_strings_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert smuggled(weak(*SHORT_LENGTHS), bundle)


def test_long_lists(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Far beyond 64 KiB: all of it arrives, or an error says that it is too much."""
    made = bundle(["/bin/sh", "-c", 'echo $# "$BIG" | md5sum', *(["x" * 40] * 5000)])
    made.config["process"]["env"].append("BIG=" + "y" * 100_000)
    small = pyrunc.run(made.save())
    assert small.returncode == 0
    made.config["process"]["env"].append("HUGE=" + "y" * (1 << 18))  # one string of more than 128 KiB: execve's limit
    result = pyrunc.run(made.save())
    assert result.returncode == 1
    assert "argument list too long" in result.stderr


def test_many_mappings(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """70000 bytes of mappings: the user namespace is there with all of them, or there is no container."""
    made = bundle("cat /proc/self/uid_map | wc -l")
    made.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        made.config["linux"][kind] = [
            {"containerID": number, "hostID": 100_000 + number, "size": 1} for number in range(5000)
        ]
    result = pyrunc.run(made.save())
    assert result.returncode == 1
    assert "Mappings" in result.stderr or "uid_map" in result.stderr
    assert result.stdout == ""
