"""linux.resources and annotations as properties of a unit."""

from typing import Any

import pytest

from pyrunc.cgroups.devices import ANY, device_rules
from pyrunc.cgroups.layout import Layout
from pyrunc.cgroups.systemd import Scope, SystemdFacts, plan_scope
from pyrunc.cgroups.systemd_annotations import ALLOWED, annotated
from pyrunc.cgroups.systemd_bus import version_number
from pyrunc.cgroups.systemd_properties import bit_mask, device_entries, limit_properties
from pyrunc.errors import PyruncError

INFINITY = 0xFFFFFFFFFFFFFFFF
MIB = 1 << 20
V2 = Layout(2, {"unified": "/c"}, {"unified": "/"})
PREFIX = "org.systemd.property."


def scope(annotations: "dict[str, str] | None" = None, kind: str = "system", **resources: Any) -> Scope:
    config = {"linux": {"resources": resources}, "annotations": annotations or {}}
    return plan_scope(config, "c1", V2, SystemdFacts(257, "", kind))[0]


def limits(version: int = 2, systemd: int = 257, **resources: Any) -> "dict[str, Any]":
    """The values alone; each number is a uint64."""
    found = limit_properties(resources, version, systemd)
    for name, (signature, _) in found.items():
        assert signature == ("ay" if name.startswith("Allowed") else "t")
    return {name: value for name, (_, value) in found.items()}


def test_every_scope() -> None:
    assert scope().properties == {
        "Description": ("s", "pyrunc container c1"),
        "Slice": ("s", "system.slice"),
        "Delegate": ("b", True),
        "DefaultDependencies": ("b", False),
        "CPUAccounting": ("b", True),
        "MemoryAccounting": ("b", True),
        "TasksAccounting": ("b", True),
        "IOAccounting": ("b", True),
        "DevicePolicy": ("s", "strict"),
        "DeviceAllow": ("a(ss)", device_entries(device_rules([]))),
    }


def test_a_users_manager_gets_no_device_rules() -> None:
    assert "DevicePolicy" not in scope(kind="user").properties


@pytest.mark.parametrize(
    ("resources", "properties"),
    [
        ({}, {}),
        ({"memory": {"limit": 64 * MIB}}, {"MemoryMax": 64 * MIB}),
        ({"memory": {"limit": -1}}, {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY}),
        ({"memory": {"limit": 64, "swap": 96}}, {"MemoryMax": 64, "MemorySwapMax": 32}),
        ({"memory": {"limit": 64, "swap": 64}}, {"MemoryMax": 64, "MemorySwapMax": 0}),
        ({"memory": {"limit": 64, "swap": -1}}, {"MemoryMax": 64, "MemorySwapMax": INFINITY}),
        ({"memory": {"reservation": 32, "limit": 0, "swap": 0}}, {"MemoryLow": 32}),
        ({"cpu": {"shares": 1024}}, {"CPUWeight": 100}),
        ({"cpu": {"shares": 1024, "idle": 1}}, {"CPUWeight": 0}),
        ({"cpu": {"shares": 2, "idle": 0}}, {"CPUWeight": 1}),
        ({"cpu": {"idle": 0}}, {"CPUWeight": 100}),
        ({"cpu": {"quota": 50000}}, {"CPUQuotaPerSecUSec": 500000}),
        ({"cpu": {"quota": 50001}}, {"CPUQuotaPerSecUSec": 510000}),
        ({"cpu": {"quota": 1}}, {"CPUQuotaPerSecUSec": 10000}),
        ({"cpu": {"quota": 50000, "period": 25000}}, {"CPUQuotaPerSecUSec": 2000000, "CPUQuotaPeriodUSec": 25000}),
        ({"cpu": {"quota": -1}}, {"CPUQuotaPerSecUSec": INFINITY}),
        ({"cpu": {"period": 25000}}, {"CPUQuotaPerSecUSec": INFINITY, "CPUQuotaPeriodUSec": 25000}),
        ({"cpu": {"quota": 0, "period": 0, "burst": 5}}, {}),
        ({"cpu": {"cpus": "0-3,9", "mems": "0"}}, {"AllowedCPUs": b"\x0f\x02", "AllowedMemoryNodes": b"\x01"}),
        ({"pids": {"limit": 10}}, {"TasksMax": 10}),
        ({"pids": {"limit": -1}}, {"TasksMax": INFINITY}),
        ({"pids": {"limit": 0}}, {"TasksMax": 1}),
        ({"blockIO": {"weight": 100}}, {}),
        ({"unified": {"memory.high": "64M", "memory.min": " 1k\n"}}, {"MemoryHigh": 64 * MIB, "MemoryMin": 1024}),
        ({"unified": {"memory.max": "max", "pids.max": "max"}}, {"MemoryMax": INFINITY, "TasksMax": INFINITY}),
        ({"unified": {"cpu.max": "max 50000"}}, {"CPUQuotaPerSecUSec": INFINITY, "CPUQuotaPeriodUSec": 50000}),
        ({"unified": {"cpu.max": "20000"}}, {"CPUQuotaPerSecUSec": 200000}),
        ({"unified": {"cpu.weight": "42", "cpuset.cpus": "1"}}, {"CPUWeight": 42, "AllowedCPUs": b"\x02"}),
        ({"unified": {"cpu.idle": "1"}}, {"CPUWeight": 0}),
        ({"unified": {"memory.oom.group": "1", "memory.high": "much", "cpu.max": "x", "cpu.weight": "0"}}, {}),
        ({"memory": {"limit": 64}, "unified": {"memory.max": "96"}}, {"MemoryMax": 96}),
    ],
)
def test_limits(resources: "dict[str, Any]", properties: "dict[str, Any]") -> None:
    assert limits(**resources) == properties


def test_what_an_old_systemd_does_not_know_is_left_to_the_files() -> None:
    resources = {"cpu": {"idle": 1, "cpus": "0", "mems": "0", "quota": 5000, "period": 50000}}
    assert limits(systemd=241, **resources) == {"CPUQuotaPerSecUSec": 100000}
    assert limits(systemd=251, **resources).keys() == {
        *("CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "AllowedCPUs", "AllowedMemoryNodes"),
    }
    assert limits(systemd=252, **resources)["CPUWeight"] == 0
    assert limits(systemd=252, unified={"memory.zswap.max": "1"}) == {}
    assert limits(systemd=253, unified={"memory.zswap.max": "1"}) == {"MemoryZSwapMax": 1}


def test_cgroup_v1() -> None:
    found = limits(
        version=1,
        memory={"limit": 64, "swap": 96, "reservation": 5},
        cpu={"shares": 512, "quota": 50000, "period": 100000, "idle": 1, "cpus": "0"},
        blockIO={"weight": 200},
        pids={"limit": 5},
    )
    assert found == {
        "MemoryLimit": 64,
        "CPUShares": 512,
        "CPUQuotaPerSecUSec": 500000,
        "CPUQuotaPeriodUSec": 100000,
        "BlockIOWeight": 200,
        "TasksMax": 5,
    }


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "3-1", "0-3:1/2", "1,,2", "0-99999999999", "8192", "\u0663"])
def test_what_is_no_list_of_cpus(text: str) -> None:
    with pytest.raises(PyruncError, match="list of numbers"):
        bit_mask(text, "place")


def rule(allow: bool, kind: str, major: int, minor: int, access: str) -> "tuple[bool, str, int, int, str]":
    return allow, kind, major, minor, access


@pytest.mark.parametrize(
    ("rules", "entries"),
    [
        ([], []),
        ([rule(True, "c", 1, 3, "rw")], [("/dev/char/1:3", "rw")]),
        ([rule(True, "b", 8, ANY, "r")], [("block-8", "r")]),
        ([rule(True, "c", ANY, ANY, "m"), rule(True, "b", ANY, ANY, "m")], [("char-*", "m"), ("block-*", "m")]),
        ([rule(True, "a", 7, 1, "r")], [("/dev/block/7:1", "r"), ("/dev/char/7:1", "r")]),
        ([rule(True, "c", ANY, 5, "r")], [("char-*", "r")]),  # there is no word for it: a little more
        ([rule(True, "c", ANY, 5, "r"), rule(True, "c", ANY, ANY, "m")], [("char-*", "rm")]),
        ([rule(True, "a", ANY, ANY, "rwm")], None),
        ([rule(True, "a", ANY, ANY, "rwm"), rule(False, "c", 1, 3, "rwm")], None),
        ([rule(True, "c", 1, 3, "rwm"), rule(False, "a", ANY, ANY, "rwm")], []),
        ([rule(True, "c", 1, 3, "rwm"), rule(False, "c", 1, ANY, "w")], [("/dev/char/1:3", "rm")]),
        ([rule(True, "c", 1, 3, "r"), rule(False, "c", 1, ANY, "r")], []),
        ([rule(True, "c", 1, ANY, "rwm"), rule(False, "c", 1, 3, "w")], [("char-1", "rwm")]),
        ([rule(False, "c", 1, 3, "rwm"), rule(True, "c", 1, 3, "r")], [("/dev/char/1:3", "r")]),
    ],
)
def test_device_entries(rules: "list[Any]", entries: "list[tuple[str, str]] | None") -> None:
    assert device_entries(rules) == entries


def test_a_container_that_may_use_every_device() -> None:
    properties = scope(devices=[{"allow": True, "access": "rwm"}]).properties
    assert properties["DevicePolicy"] == ("s", "auto")
    assert properties["DeviceAllow"] == ("a(ss)", [])


@pytest.mark.parametrize(
    ("name", "text", "property"),
    [
        ("TimeoutStopUSec", "uint64 123456789", ("TimeoutStopUSec", ("t", 123456789))),
        ("TimeoutStopUSec", "5", ("TimeoutStopUSec", ("t", 5))),
        ("TimeoutStopSec", "5", ("TimeoutStopUSec", ("t", 5000000))),
        ("TimeoutStopSec", "int32 5", ("TimeoutStopUSec", ("t", 5000000))),
        ("TimeoutStopSec", "1.5", ("TimeoutStopUSec", ("t", 1500000))),
        ("CollectMode", "'inactive-or-failed'", ("CollectMode", ("s", "inactive-or-failed"))),
        ("Description", '"a \\"b\\" \\u00e9\\n"', ("Description", ("s", 'a "b" \u00e9\n'))),
        ("After", "['a.service', \"b.service\"]", ("After", ("as", ["a.service", "b.service"]))),
        ("After", "@as []", ("After", ("as", []))),
        ("AllowedCPUs", "[byte 0x01, 2]", ("AllowedCPUs", ("ay", b"\x01\x02"))),
        ("DefaultDependencies", " true ", ("DefaultDependencies", ("b", True))),
        ("KillSignal", "-3", ("KillSignal", ("i", -3))),
    ],
)
def test_annotations(name: str, text: str, property: "tuple[str, Any]") -> None:
    found, value = property
    assert annotated({PREFIX + name: text, "other": "x"}) == {found: (f"annotations[{PREFIX + name!r}]", value)}
    assert scope({PREFIX + name: text}).properties[found] == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ExecStartPre", "'/bin/sh'", "the unit property ExecStartPre is not one that an annotation may set"),
        ("ExecStopPost", "[]", "ExecStopPost is not one"),
        ("Requires", "['x.service']", "Requires is not one"),
        ("DeviceAllow", "[('/dev/sda', 'rwm')]", "DeviceAllow is not one"),
        ("Slice", "'x.slice'", "Slice is not one"),
        ("PIDs", "[uint32 1]", "PIDs is not one"),
        ("", "1", "the unit property  is not one"),
        ("Sec", "1", "Sec is not one"),
        ("FooSec", "1", "FooUSec is not one"),
        ("TimeoutStopUSec", "'5'", "expected a number (uint64) at position 1"),
        ("TimeoutStopUSec", "uint32 5", "expected uint64 at position 1"),
        ("TimeoutStopUSec", "-5", "expected a number from 0 to"),
        ("TimeoutStopUSec", "5 6", "expected the end at position 3"),
        ("TimeoutStopUSec", "1_0", "expected a number"),
        ("TimeoutStopUSec", "", "expected a number"),
        ("TimeoutStopSec", "'5'", "expected a number of seconds at position 1"),
        ("TimeoutStopSec", "inf", "expected a number of seconds"),
        ("TimeoutStopSec", "nan", "expected a number of seconds"),
        ("TimeoutStopSec", "1e30", "expected a time that systemd can count"),
        ("TimeoutStopSec", "-1", "expected a time that systemd can count"),
        ("CollectMode", "inactive", "expected a string in quotes at position 1"),
        ("CollectMode", "'x", "expected the end of this string at position 1"),
        ("CollectMode", "'\\u00'", "4 hexadecimal digits"),
        ("CollectMode", "'\\ud800'", "4 hexadecimal digits"),
        ("CollectMode", "'\\u0000'", "NUL"),
        ("After", "'x'", "expected '[' at position 1"),
        ("After", "['x' 'y']", "expected ',' at position 6"),
        ("After", "['x'", "expected ',' at position 5"),
        ("AllowedCPUs", "[256]", "a number from 0 to 255 at position 2"),
        ("DefaultDependencies", "1", "expected true or false at position 1"),
    ],
)
def test_annotations_that_are_refused(name: str, text: str, words: str) -> None:
    with pytest.raises(PyruncError) as caught:
        scope({PREFIX + name: text})
    assert words in caught.value.reason
    assert caught.value.place == f"annotations[{PREFIX + name!r}]"


def test_annotations_do_not_lift_the_configurations_limits() -> None:
    with pytest.raises(PyruncError, match="MemoryMax is what"):
        scope({PREFIX + "MemoryMax": "5"}, memory={"limit": 64})


def test_nothing_that_is_allowed_runs_a_program() -> None:
    assert not [name for name in ALLOWED if name.startswith("Exec") or "Wants" in name or "Requires" in name]


@pytest.mark.parametrize(
    ("text", "number"), [("254.5-1", 254), ("v246", 246), ("systemd 239 (239-82.el8)", 239), ("257~rc1", 257), ("", 0)]
)
def test_versions(text: str, number: int) -> None:
    assert version_number(text) == number
