"""Ways to damage a JSON document, for tests of what checks it."""

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

# One of each type, the bounds of the integer types and what is just beyond them.
VALUES: tuple[Any, ...] = (
    True,
    0,
    1,
    -1,
    1.0,
    0.5,
    (1 << 16) - 1,
    1 << 16,
    -(1 << 31) - 1,
    (1 << 31) - 1,
    (1 << 32) - 1,
    1 << 32,
    -(1 << 63),
    -(1 << 63) - 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
    "",
    "x",
    "SCMP_ACT_ALLOW",
    [],
    ["x"],
    [1],
    [{}],
    {},
    {"x": "y"},
    {"x": 1},
    {"x": {}},
)


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """The path of every value inside value, itself included."""
    yield path
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for key, member in members:
        yield from paths(member, (*path, key))


def pattern(path: Path) -> str:
    """The path as a pointer with * for every index: /mounts/*/options."""
    return "".join("/*" if isinstance(part, int) else f"/{part}" for part in path)


def replaced(document: Any, path: Path, value: Any) -> Any:
    """A copy of the document with another value at path."""
    if not path:
        return copy.deepcopy(value)
    document = copy.deepcopy(document)
    _parent(document, path)[path[-1]] = copy.deepcopy(value)
    return document


def removed(document: Any, path: Path) -> Any:
    """A copy of the document without what is at path, which is not ()."""
    document = copy.deepcopy(document)
    del _parent(document, path)[path[-1]]
    return document


def _parent(document: Any, path: Path) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


def sample(schema: dict[str, Any]) -> Any:
    """A document with everything a schema has: every property, one element of each list, one member of each map."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"]
    if kind == "object":
        document = {key: sample(member) for key, member in schema.get("properties", {}).items()}
        if "additionalProperties" in schema:
            document["x"] = sample(schema["additionalProperties"])
        return document
    if kind == "array":
        return [sample(schema["items"])]
    if kind == "integer":
        return max(schema.get("minimum", 0), 1)
    return {"string": "x", "boolean": True}[kind]


def lean(document: Any, path: Path) -> Any:
    """The document without the objects and lists that path does not lead through: small, so quick to check.

    What the schemas of this project require stays.
    """
    if not path or not isinstance(document, dict):
        return document
    return {
        key: lean(value, path[1:]) if key == path[0] else value
        for key, value in document.items()
        if key in (path[0], "root", "args", "names") or not isinstance(value, (dict, list))
    }
