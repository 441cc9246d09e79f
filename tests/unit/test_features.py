"""`features`: as the schema says, complete, and true of what the rest of pyrunc does."""

import json
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cli, features
from pyrunc.errors import PyruncError
from pyrunc.namespaces import TYPES
from pyrunc.operations.options import parse_options
from pyrunc.spec.report import schema_problems

CHECKOUT = Path(__file__).parent.parent.parent
DEFINITIONS = json.loads((CHECKOUT / "oci-specs" / "definitions.json").read_text())["$defs"]
SCHEMA = json.loads((CHECKOUT / "oci-specs" / "features.json").read_text())


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["features"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    value = json.loads(out)
    assert isinstance(value, dict)
    return value


def test_the_schema(printed: dict[str, Any]) -> None:
    assert list(schema_problems("features", printed)) == []


def members(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of a schema, those behind its references included."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"].get(schema["$ref"].rsplit("/", 1)[-1], {})
    return {name: members(member) for name, member in schema.get("properties", {}).items()}


def missing(schema: dict[str, Any], value: Any, place: str = "") -> list[str]:
    absent = [f"{place}/{name}" for name in schema if name not in value]
    return absent + [
        found
        for name, inner in schema.items()
        if name in value and inner
        for found in missing(inner, value[name], f"{place}/{name}")
    ]


def test_every_member_of_the_specification_is_there(printed: dict[str, Any]) -> None:
    assert missing(members(SCHEMA), printed) == []


def test_lists_are_complete(printed: dict[str, Any]) -> None:
    """All that the specification's schema knows."""
    linux, filters = printed["linux"], printed["linux"]["seccomp"]
    assert set(linux["namespaces"]) == set(DEFINITIONS["namespaceType"]["enum"]) == set(TYPES)
    assert set(printed["hooks"]) == set(DEFINITIONS["hookName"]["enum"])
    assert set(filters["actions"]) == set(DEFINITIONS["seccompAction"]["enum"])
    assert set(filters["operators"]) == set(DEFINITIONS["seccompOperator"]["enum"])
    assert set(filters["archs"]) == set(DEFINITIONS["seccompArchitecture"]["enum"])
    assert set(filters["knownFlags"]) == set(DEFINITIONS["seccompFlag"]["enum"])
    assert set(filters["supportedFlags"]) <= set(filters["knownFlags"])
    assert {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"} <= set(filters["supportedFlags"])
    assert set(linux["memoryPolicy"]["modes"]) == set(DEFINITIONS["memoryPolicyMode"]["enum"])
    assert set(linux["memoryPolicy"]["flags"]) == set(DEFINITIONS["memoryPolicyFlag"]["enum"])


def test_mount_options_are_those_that_no_file_system_sees(printed: dict[str, Any]) -> None:
    known = printed["mountOptions"]
    assert {"bind", "rro", "ridmap", "idmap", "rnoatime", "tmpcopyup", "rshared", "nosymfollow"} <= set(known)
    assert known == sorted(set(known))
    assert parse_options(known).data == []
    assert len(parse_options([word + "x" for word in known]).data) == len(known)


def test_what_has_no_list(printed: dict[str, Any]) -> None:
    assert printed["linux"]["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    assert printed["linux"]["netDevices"] == {"enabled": True}


def test_flags_that_the_kernel_does_not_know() -> None:
    assert features.kernel_has(1 << 1)
    assert not features.kernel_has(1 << 30)


def test_without_libseccomp(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def fail(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if name == "pyrunc.security" and "compile" in (fromlist or ()):
            raise PyruncError("cannot compile a seccomp profile")
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", fail)
    found = features.features()
    assert found["linux"]["seccomp"] == {"enabled": False}
    assert "io.github.seccomp.libseccomp.version" not in found["annotations"]
