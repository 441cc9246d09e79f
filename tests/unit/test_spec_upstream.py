"""Our schemas against the ones of Debian's golang-github-opencontainers-specs-dev: one verdict, or a known reason."""

import fnmatch
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from pyrunc.spec import report
from pyrunc.spec._check import check_config
from tests.support import mutations

UPSTREAM = Path("/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema")
CORPUS = Path(__file__).parent.parent / "corpus"
OTHER_SYSTEMS = ("solaris", "vm", "windows", "zos")

pytestmark = pytest.mark.skipif(
    not UPSTREAM.is_dir(), reason="golang-github-opencontainers-specs-dev, with the schemas of 1.0.2, is not installed"
)


def resolve(node: Any, file: str) -> Any:
    if isinstance(node, list):
        return [resolve(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target_file, _, pointer = node["$ref"].partition("#")
        target = json.loads((UPSTREAM / (target_file or file)).read_text())
        for part in pointer.split("/")[1:]:
            target = target[part]
        return resolve(target, target_file or file)
    return {key: resolve(value, file) for key, value in node.items()}


@functools.cache
def upstream() -> Any:
    schema = json.loads((UPSTREAM / "config-schema.json").read_text())
    for name in OTHER_SYSTEMS:
        schema["properties"].pop(name, None)
    return Draft4Validator(resolve(schema, "config-schema.json"))


def document() -> Any:
    """A document with all that our schema knows, valid by both."""
    config = mutations.sample(report.validator("config").schema)
    config["linux"]["intelRdt"]["memBwSchema"] = "MB:0=20"
    config["linux"]["resources"]["hugepageLimits"][0]["pageSize"] = "2MB"
    assert check_config(config) is None
    assert upstream().is_valid(config)
    return config


NEWER = "not in 1.0.2"
BOUNDED = "the kernel interface takes no more"
RULE = "the form is checked by a rule"
# Where the verdicts may differ: pattern of the place, whether ours takes what theirs refuses, and why.
DIFFERENCES: list[tuple[str, bool, str]] = [
    ("/linux/timeOffsets*", False, NEWER),
    ("/linux/netDevices*", False, NEWER),
    ("/linux/memoryPolicy*", False, NEWER),
    ("/linux/intelRdt/schemata*", False, NEWER),
    ("/linux/intelRdt/enableMonitoring", False, NEWER),
    ("/process/scheduler*", False, NEWER),
    ("/process/ioPriority*", False, NEWER),
    ("/process/execCPUAffinity*", False, NEWER),
    ("/root", False, "config.md: required on every system but Windows"),
    ("/process/args*", False, "config.md: at least one entry is required on every system but Windows"),
    ("/linux/personality*", False, "config-linux.md: domain is required"),
    ("/linux/resources/blockIO/throttle*/rate", False, "config-linux.md: rate is required"),
    (
        "/linux/resources/devices/*/type",
        False,
        "config-linux.md: only a, b and c (and nothing, as for Go's zero value)",
    ),
    ("/linux/resources/memory/swappiness", False, "config-linux.md: from 0 to 100"),
    ("/process/oomScoreAdj", False, BOUNDED),
    ("/process/user/umask", False, BOUNDED),
    ("/hooks/*/timeout", False, "it could not be represented by any other runtime"),
    ("/process/rlimits/*/type", False, "config.md: what is not a limit of the kernel MUST be an error"),
    ("/linux/devices/*/fileMode", True, "config-linux.md: uint32; theirs stops at 0o1000, and podman passes st_mode"),
    ("/linux/intelRdt/memBwSchema", True, RULE),
    ("/linux/resources/hugepageLimits/*/pageSize", True, RULE),
    ("/linux/resources/pids*", True, "an object without limit asks for nothing"),
    ("/linux/namespaces/*/type", True, NEWER),
    ("/linux/seccomp/architectures/*", True, NEWER),
    ("/linux/rootfsPropagation", True, "engines pass the recursive names, and runc takes them"),
]
used: set[str] = set()


def expected(place: str, ours: bool) -> bool:
    for known, takes, _ in DIFFERENCES:
        if takes == ours and fnmatch.fnmatchcase(place, known):
            used.add(known)
            return True
    return False


def enumerations(schema: Any, place: str = "") -> Iterator[tuple[str, list[str]]]:
    if "enum" in schema:
        yield place, schema["enum"]
    for key, member in schema.get("properties", {}).items():
        yield from enumerations(member, f"{place}/{key}")
    if "items" in schema:
        yield from enumerations(schema["items"], f"{place}/*")


def variants() -> Iterator[tuple[str, Any]]:
    """Every kind of damage at every place of the document, and every value of every enumeration."""
    config = document()
    names = dict(enumerations(report.validator("config").schema))
    for path in mutations.paths(config):
        place, small = mutations.pattern(path), mutations.lean(config, path)
        for value in (*mutations.VALUES, *names.get(place, ()), "RLIMIT_FOO"):
            yield place, mutations.replaced(small, path, value)
        if path:
            yield place, mutations.removed(small, path)


def test_same_verdict_on_damaged_documents() -> None:
    surprises = set()
    for place, variant in variants():
        ours = check_config(variant) is None
        if ours != upstream().is_valid(variant) and not expected(place, ours):
            surprises.add((place, "taken by ours only" if ours else "taken by theirs only"))
    assert not surprises
    assert used == {known for known, _, _ in DIFFERENCES}, "differences that are none"


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*.json")), ids=lambda file: file.stem)
def test_same_verdict_on_corpus(file: Path) -> None:
    config = json.loads(file.read_text())
    if file.stem.endswith("-process"):
        config = {"ociVersion": "1.0.2", "root": {"path": "x"}, "process": config}
    elif file.stem.endswith("-resources"):
        config = {"ociVersion": "1.0.2", "root": {"path": "x"}, "linux": {"resources": config}}
    assert check_config(config) is None
    theirs = {error.json_path for error in upstream().iter_errors(config)}
    # podman passes st_mode, and their limit for a mode is a slip.
    assert all(path.endswith(".fileMode") for path in theirs), theirs


def test_every_property_of_theirs_is_known() -> None:
    ours, theirs = report.validator("config").schema, upstream().schema
    windows = {"/process/commandLine", "/process/user/username"}
    assert set(_properties(theirs)) - set(_properties(ours)) == windows


def _properties(schema: Any, place: str = "") -> Iterator[str]:
    for part in (schema, *schema.get("allOf", ()), *schema.get("anyOf", ())):
        for key, member in part.get("properties", {}).items():
            yield f"{place}/{key}"
            yield from _properties(member, f"{place}/{key}")
        for key in ("items", "additionalProperties"):
            if key in part:
                yield from _properties(part[key], f"{place}/*")
