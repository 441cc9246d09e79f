"""Documents made from the schemas of the specification: right by the schema, and of any meaning or none."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "pyrunc" / "spec" / "_schema.json"


def schema(name: str) -> dict[str, Any]:
    """One of the schemas that the generated check is made from."""
    found = json.loads(SCHEMAS.read_text())[name]
    assert isinstance(found, dict)
    return found


def strategy(schema: Mapping[str, Any], words: Mapping[str, Sequence[Any]], name: str = "") -> "st.SearchStrategy[Any]":
    """What the schema allows.  words: for the member's name, values that real documents have there."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema["type"]
    known = words.get(name, ())
    if kind == "object":
        members = {key: strategy(member, words, key) for key, member in schema.get("properties", {}).items()}
        required = {key: members.pop(key) for key in schema.get("required", ())}
        made: st.SearchStrategy[Any] = st.fixed_dictionaries(required, optional=members)
        if "additionalProperties" in schema:
            keys = st.sampled_from(words.get(f"{name}/*") or ["x"]) | st.text(max_size=6)
            more = st.dictionaries(keys, strategy(schema["additionalProperties"], words, name), max_size=3)
            made = st.builds(lambda one, other: {**other, **one}, made, more)
        return made
    if kind == "array":
        return st.lists(strategy(schema["items"], words, name), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "integer":
        low, high = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
        usual = [value for value in known if type(value) is int and low <= value <= high]
        some = st.integers(low, high) | st.integers(max(low, 0), min(high, 2000))
        return st.sampled_from(usual) | some if usual else some
    if kind == "string":
        usual_texts = [value for value in known if isinstance(value, str)]
        text = st.text(min_size=schema.get("minLength", 0), max_size=8)
        # Most of the time what has a meaning: else nothing gets past the first rule.
        return st.one_of(*[st.sampled_from(usual_texts)] * 3, text) if usual_texts else text
    return st.booleans()


def vocabulary(documents: Sequence[Any]) -> dict[str, list[Any]]:
    """For each member's name the values that the documents have there; NAME/*: the names below it."""
    found: dict[str, dict[str, Any]] = {}

    def look(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, member in value.items():
                found.setdefault(f"{name}/*", {})[json.dumps(key)] = key
                look(member, key)
        elif isinstance(value, list):
            for member in value:
                look(member, name)
        else:
            found.setdefault(name, {})[json.dumps(value)] = value

    for document in documents:
        look(document, "")
    return {name: list(values.values())[:60] for name, values in found.items()}
