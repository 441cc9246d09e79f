"""process -> settings: every name's number, every default, and what is refused."""

import os
import re
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunc import process
from pyrunc.errors import ConfigError
from pyrunc.process import MAX_CPUS, deduplicated, parse_cpus, plan_process
from tests.support import corpus
from tests.support.profiles import without_nulls

MINIMAL: "dict[str, Any]" = {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}}


def plan(**members: Any) -> process.ProcessSettings:
    return plan_process({**MINIMAL, **members})


def test_defaults() -> None:
    settings = {name: getattr(plan(), name) for name in process.ProcessSettings.__slots__}
    assert settings == {
        "additional_gids": [],
        "apparmor_profile": "",
        "args": ["true"],
        "console_size": None,
        "cwd": "/",
        "env": [],
        "final_cpus": None,
        "gid": 0,
        "initial_cpus": None,
        "io_priority": None,
        "no_new_privs": False,
        "oom_score_adj": None,
        "personality": None,
        "memory_policy": None,
        "rlimits": [],
        "scheduler": None,
        "selinux_label": "",
        "terminal": False,
        "uid": 0,
        "umask": 0o022,
    }


@pytest.mark.parametrize(
    ("members", "name", "expected"),
    [
        ({"args": ["a", "", "b"]}, "args", ["a", "", "b"]),
        ({"cwd": "/tmp"}, "cwd", "/tmp"),
        ({"user": {"uid": 7, "gid": 8, "umask": 0}}, "umask", 0),
        ({"user": {"uid": 7, "gid": 8, "umask": 0o77}}, "umask", 0o77),
        ({"user": {"uid": 7, "gid": 8}}, "uid", 7),
        ({"user": {"uid": 7, "gid": 8}}, "gid", 8),
        ({"user": {"uid": 7, "gid": 8, "additionalGids": [9, 9, 0]}}, "additional_gids", [9, 9, 0]),
        ({"noNewPrivileges": True}, "no_new_privs", True),
        ({"noNewPrivileges": False}, "no_new_privs", False),
        ({"oomScoreAdj": 0}, "oom_score_adj", 0),
        ({"oomScoreAdj": -998}, "oom_score_adj", -998),
        ({"apparmorProfile": "docker-default"}, "apparmor_profile", "docker-default"),
        (
            {"selinuxLabel": "system_u:system_r:svirt_lxc_net_t:s0"},
            "selinux_label",
            "system_u:system_r:svirt_lxc_net_t:s0",
        ),
        ({"terminal": True}, "terminal", True),
        ({"terminal": True}, "console_size", None),
        ({"terminal": True, "consoleSize": {"height": 24, "width": 80}}, "console_size", (24, 80)),
        ({"consoleSize": {"height": 24, "width": 80}}, "console_size", None),
        ({"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1}]}, "rlimits", [(4, 0, 2**64 - 1)]),
        ({"scheduler": {"policy": "SCHED_OTHER", "nice": -5}}, "scheduler", (0, 0, -5, 0, 0, 0, 0)),
        (
            {"scheduler": {"policy": "SCHED_FIFO", "priority": 9, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}},
            "scheduler",
            (1, 1, 0, 9, 0, 0, 0),
        ),
        (
            {
                "scheduler": {
                    "policy": "SCHED_DEADLINE",
                    "flags": ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"],
                    "runtime": 10_000_000,
                    "deadline": 30_000_000,
                    "period": 2**64 - 1,
                }
            },
            "scheduler",
            (6, 6, 0, 0, 10_000_000, 30_000_000, 2**64 - 1),
        ),
        ({"ioPriority": {"class": "IOPRIO_CLASS_RT"}}, "io_priority", 1 << 13),
        ({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7}}, "io_priority", 2 << 13 | 7),
        ({"ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0}}, "io_priority", 3 << 13),
        ({"execCPUAffinity": {"initial": "0", "final": "1-3,0"}}, "initial_cpus", [0]),
        ({"execCPUAffinity": {"initial": "0", "final": "1-3,0"}}, "final_cpus", [0, 1, 2, 3]),
        ({"execCPUAffinity": {"initial": ""}}, "initial_cpus", None),
    ],
)
def test_every_field(members: "dict[str, Any]", name: str, expected: object) -> None:
    assert getattr(plan(**members), name) == expected


@pytest.mark.parametrize(("domain", "number"), [("LINUX", 0), ("LINUX32", 8)])
def test_personality(domain: str, number: int) -> None:
    assert plan_process(MINIMAL, {"personality": {"domain": domain}}).personality == number
    assert plan_process(MINIMAL, {"personality": {"domain": domain, "flags": []}}).personality == number


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"args": []}, "args must not be empty"),
        (
            {"rlimits": [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]},
            'process.rlimits[0].type: unknown value "RLIMIT_FOO"',
        ),
        (
            {"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2},
            "process.rlimits[1].type: RLIMIT_CPU is set twice",
        ),
        ({"scheduler": {"policy": "SCHED_FOO"}}, 'process.scheduler.policy: unknown value "SCHED_FOO"'),
        (
            {"scheduler": {"policy": "SCHED_RR", "flags": ["SCHED_FLAG_RECLAIM", "FOO"]}},
            'process.scheduler.flags[1]: unknown value "FOO"',
        ),
        ({"ioPriority": {"class": "FOO"}}, 'process.ioPriority.class: unknown value "FOO"'),
        (
            {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}},
            "process.ioPriority.priority: must be from 0 to 7, not 8",
        ),
        (
            {"execCPUAffinity": {"final": "a"}},
            'process.execCPUAffinity.final: must be a list like "0-3,7", not "a"',
        ),
    ],
)
def test_what_has_no_number_is_refused(members: "dict[str, Any]", message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(**members)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("personality", "message"),
    [
        ({"domain": "BSD"}, 'linux.personality.domain: unknown value "BSD"'),
        ({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}, "linux.personality.flags: no flags are supported"),
    ],
)
def test_personalities_that_are_refused(personality: "dict[str, Any]", message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_process(MINIMAL, {"personality": personality})
    assert str(caught.value) == message


def test_the_numbers_are_pythons_and_the_kernel_headers() -> None:
    for name, number in process.RLIMITS.items():
        assert getattr(resource, name, number) == number
    for name, number in process.SCHEDULERS.items():
        assert getattr(os, name, number) == number
    header = Path("/usr/include/linux/sched.h")
    if not header.exists():
        pytest.skip("no kernel headers")
    defined = dict(re.findall(r"^#define\s+(SCHED_[A-Z_]+)\s+(\w+)", header.read_text(), re.M))
    for name, number in process.SCHEDULER_FLAGS.items():
        assert int(defined[name], 0) == number


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ([], []),
        (["A=1", "B=2", "A=3"], ["A=3", "B=2"]),
        (["A=", "A"], ["A"]),
        (["A=x=y", "A=x=z"], ["A=x=z"]),
    ],
)
def test_the_last_value_of_a_variable_wins(env: "list[str]", expected: "list[str]") -> None:
    assert deduplicated(env) == expected


@given(st.lists(st.text(alphabet="AB=1", max_size=4)))
def test_deduplication_keeps_what_the_last_says(env: "list[str]") -> None:
    kept = deduplicated(env)
    assert {entry.partition("=")[0]: entry for entry in env} == {entry.partition("=")[0]: entry for entry in kept}
    assert len(kept) == len({entry.partition("=")[0] for entry in env})
    assert deduplicated(kept) == kept


@given(st.sets(st.integers(0, MAX_CPUS - 1), min_size=1, max_size=20))
def test_cpu_lists(cpus: "set[int]") -> None:
    assert parse_cpus(",".join(str(cpu) for cpu in cpus)) == sorted(cpus)
    assert parse_cpus(f"{min(cpus)}-{max(cpus)}") == list(range(min(cpus), max(cpus) + 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "1,",
        ",1",
        "-1",
        "1-",
        "3-1",
        "1-2-3",
        "+1",
        "1_0",
        "٣",
        "0x1",
        "8192",
        "0-8192",
        "0-999999999",
        "9" * 5000,
    ],
)
def test_bad_cpu_lists(text: str) -> None:
    with pytest.raises(ValueError):
        parse_cpus(text)


@pytest.mark.parametrize(
    "name", [*corpus.names(), *(f"{kind}-process.json" for kind in ("docker-exec", "podman-exec"))]
)
def test_what_engines_hand_over_can_be_planned(name: str) -> None:
    config = without_nulls(corpus.load(name))
    recorded = config.get("process", config)
    settings = plan_process(recorded, config.get("linux"))
    assert settings.args == recorded["args"]
    assert settings.uid == recorded["user"]["uid"]
    assert len(settings.rlimits) == len(recorded.get("rlimits", ()))
