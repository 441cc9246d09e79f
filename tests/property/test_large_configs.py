"""Configurations as large as are read at all, by mistake or to do harm: told soon, and in little memory."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pyrunc.errors import PyruncError
from pyrunc.security.seccomp import filter_for
from pyrunc.spec import check, load
from tests.fuzz.target import Finding, Target, observe

SIZE = load.MAX_SIZE - 300
CONDITION = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}


class Large(Target):
    """Loads, checks, compiles."""

    seconds = 5.0

    def check(self, data: bytes) -> str:
        try:
            config = load.parse(data, "config.json")
            check.check_config(config)
            profile = config["linux"].get("seccomp")
            if profile:
                filter_for(profile, None)
        except PyruncError as error:
            return str(error)
        return "taken"


def many(item: str, most: int = SIZE) -> str:
    """As many of them as fit."""
    return ",".join([item] * (most // (len(item) + 1)))


def config(**members: Any) -> str:
    """A small configuration with these."""
    process = {"cwd": "/", "args": ["x"], **members.pop("process", {})}
    linux = {"namespaces": [{"type": "mount"}], **members.pop("linux", {})}
    return json.dumps(
        {"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "process": process, "linux": linux, **members}
    )


def rules() -> str:
    """A system call with more conditions than a filter has instructions."""
    args = [{**CONDITION, "value": number} for number in range(100_000)]
    entry = {"names": ["read"], "action": "SCMP_ACT_KILL", "args": args}
    return config(linux={"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]}})


CASES: dict[str, tuple[Callable[[], str], str]] = {
    "lists": (lambda: '{"a":[' + many("[]") + "]}", "more than 131072 arrays and objects"),
    "deep": (lambda: '{"a":[' + many("[" * 120 + "]" * 120) + "]}", "more than 131072 arrays and objects"),
    "blanks": (lambda: "\n" * SIZE, "a value is missing"),
    "numbers for texts": (
        lambda: config(process={"env": []}).replace('"env": []', f'"env": [{many("1")}]'),
        "config.json has 100 problems or more:\n/process/env/0: must be a string",
    ),
    "paths that are relative": (
        lambda: config(linux={"maskedPaths": []}).replace('Paths": []', f'Paths": [{many(chr(34) + "x" + chr(34))}]'),
        "config.json has 100 problems or more:\n/linux/maskedPaths/0: must be an absolute path",
    ),
    "conditions": (rules, "100000 rules, and a filter has no more than 4096 instructions"),
    "environment": (
        lambda: config(process={"env": []}).replace('"env": []', f'"env": [{many(chr(34) + "A=b" + chr(34))}]'),
        "taken",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_large(case: str) -> None:
    """Within seconds of processor time and 200 MB, and the error is short."""
    make, expected = CASES[case]
    outcome = observe(Large(), make().encode())
    assert not isinstance(outcome, Finding), outcome.text
    assert expected in outcome
    assert len(outcome) < 10_000


def test_brackets_in_strings_do_not_count() -> None:
    """An annotation may be as much JSON as it wants."""
    assert load.parse(json.dumps({"a": '[{"x\\' * 200_000}).encode(), "x")
