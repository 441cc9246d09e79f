"""The schema files themselves: every property is described, newer ones are marked, and types.py agrees."""

import importlib.util
import json
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pyrunc.spec import report, types

CHECKOUT = Path(__file__).parent.parent.parent
FILES = sorted((CHECKOUT / "oci-specs").glob("*.json"))
VERSIONS = ("1.0.2", "1.1.0", "1.2.0", "1.2.1", "1.3.0")


def properties(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "properties":
                yield from ((f"{place}/{name}", member) for name, member in value.items())
            yield from properties(value, f"{place}/{key}")
    elif isinstance(node, list):
        for item in node:
            yield from properties(item, place)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_described_and_marked(file: Path) -> None:
    schema = json.loads(file.read_text())
    Draft202012Validator.check_schema(schema)
    for place, member in properties(schema):
        assert member.get("description"), place
        assert member.get("x-since", "1.0.2") in VERSIONS, place
        for value, version in member.get("x-added", {}).items():
            assert version in VERSIONS, (place, value)


def test_additions_are_visible() -> None:
    """What each version of the specification added to config.json, read from the marks."""
    added: dict[str, set[str]] = {version: set() for version in VERSIONS}
    for file in FILES:
        if file.stem not in ("features", "state", "definitions"):
            for place, member in properties(json.loads(file.read_text())):
                if "x-since" in member:
                    added[member["x-since"]].add(f"{file.stem}:{place.rpartition('/')[2]}")
    assert added["1.3.0"] == {"linux:netDevices", "linux:memoryPolicy", "linux:schemata", "linux:enableMonitoring"}
    assert added["1.2.1"] == {"process:execCPUAffinity"}
    assert {"process:umask", "process:scheduler", "config:domainname", "resources:unified"} <= added["1.1.0"]
    assert {"config:createRuntime", "linux:personality", "resources:rdma", "seccomp:flags"} <= added["1.0.2"]


def test_types_agree_with_the_schema() -> None:
    def compare(schema: dict[str, Any], kind: Any, place: str) -> None:
        if "enum" in schema:
            assert kind is str, place
        elif schema["type"] == "array":
            assert typing.get_origin(kind) is list, place
            compare(schema["items"], typing.get_args(kind)[0], place)
        elif "properties" in schema:
            members = typing.get_type_hints(kind)
            assert set(members) == set(schema["properties"]), place
            for key, member in schema["properties"].items():
                compare(member, members[key], f"{place}/{key}")
        elif "additionalProperties" in schema:
            assert typing.get_origin(kind) is dict, place
            compare(schema["additionalProperties"], typing.get_args(kind)[1], place)
        else:
            assert kind is {"string": str, "boolean": bool, "integer": int}[schema["type"]], place

    compare(report.validator("config").schema, types.Config, "")


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_check", CHECKOUT / "tools/generate_check.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_code_is_current_and_plain(tmp_path: Path) -> None:
    target = tmp_path / "_check.py"
    subprocess.run([sys.executable, CHECKOUT / "tools/generate_check.py", target], check=True)
    assert target.read_text() == (CHECKOUT / "pyrunc/spec/_check.py").read_text(), "run make build"
    assert (tmp_path / "_schema.json").read_text() == (CHECKOUT / "pyrunc/spec/_schema.json").read_text()
    assert not re.search(r"^\s*(import|from)\b", target.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "x"},
        {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}}},
        {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}, "minProperties": 1},
    ],
    ids=["pattern", "uniqueItems", "minProperties"],
)
def test_generator_refuses_what_it_does_not_know(schema: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="keywords this generator does not know"):
        generator().function("x", schema, {})
