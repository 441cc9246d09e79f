"""Everything that is wrong with a configuration that the quick check refused, in plain words.  Slow, and may be."""

import os
from itertools import islice

from pyrunc import fastjson
from pyrunc.spec import rules, rules_process, rules_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from jsonschema.exceptions import ValidationError

    Item = TypeVar("Item")

SCHEMAS = os.path.join(os.path.dirname(__file__), "_schema.json")
TYPE_NAMES = {"object": "an object", "array": "an array", "string": "a string", "boolean": "true or false"}
TYPE_NAMES["integer"] = "a whole number"
# What a rule may run into where the schema does not hold.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def all_problems(name: str, value: object, place: str) -> "list[tuple[str, str]]":
    """(JSON pointer, message) for all that is wrong with a config, process, resources, state or features object.

    place: what the quick check said; reported by itself where jsonschema is not installed.
    """
    try:
        problems = sorted(islice(schema_problems(name, value), rules.MOST))
    except ImportError:
        return [(place, "is not as the schema says (install jsonschema for a full report)")]
    if not problems:
        return [(place, "is not as the schema says")]
    known = {pointer for pointer, _ in problems}
    problems += [found for found in _rule_problems(name, value) if not _is_below(found[0], known)]
    return problems[: rules.MOST]


def validator(name: str) -> "Any":
    """A jsonschema validator for one of oci-specs/*.json, by which a number with a fraction part is no integer."""
    from jsonschema import Draft202012Validator, validators

    with open(SCHEMAS, encoding="utf-8") as file:
        schemas = fastjson.loads(file.read())
    assert isinstance(schemas, dict)
    # JSON Schema takes 1.0 for an integer; no caller means it, and the kernel interfaces want none.
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    extend: Any = validators.extend  # jsonschema does not annotate it
    return extend(Draft202012Validator, type_checker=checker)(schemas[name])


def schema_problems(name: str, value: object) -> "Iterator[tuple[str, str]]":
    """(JSON pointer, message) for each place where value is not as oci-specs/<name>.json says."""
    for error in validator(name).iter_errors(value):
        pointer = "".join("/" + rules_process.escaped(str(part)) for part in error.absolute_path)
        if error.validator == "required":
            # jsonschema reports each missing key by an error of its own, but names it only in the message.
            missing = next(key for key in error.validator_value if error.message.startswith(repr(key)))
            yield f"{pointer}/{missing}", "is required"
        else:
            yield pointer, _words(error)


def _words(error: "ValidationError") -> str:
    value: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    if error.validator == "type":
        return f"must be {TYPE_NAMES[str(wanted)]}, not {_shown(value)}"
    if error.validator == "enum":
        return f"must be {_one_of(wanted, value)}, not {_shown(value)}"
    if error.validator in ("minimum", "maximum"):
        return f"must be from {schema['minimum']} to {schema['maximum']}, not {_shown(value)}"
    if error.validator == "minItems":
        return "must have at least one entry"
    if error.validator == "minLength":
        return "must not be empty"
    return error.message


def _one_of(names: "Iterable[str]", value: object) -> str:
    """The possible values, the likeliest ones only if there are many."""
    from difflib import get_close_matches

    names = [name for name in names if name]
    close = get_close_matches(str(value).upper(), names, 3) if len(names) > 8 else []
    return f"one of {', '.join(close or names)}" + (", ..." if close else "")


def _shown(value: object) -> str:
    """A value as it is in the file, cut where it is long."""
    text = fastjson.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rule_problems(name: str, value: "Any") -> "list[tuple[str, str]]":
    """What the rules find in an object whose shape is partly wrong."""
    found: list[tuple[str, str]] = []
    for section, section_rules, arguments in _until_unreadable(lambda: _groups(name, value)):
        for rule in section_rules:
            for pointer, message in _until_unreadable(rule, *arguments):
                found.append((section + pointer, message))
    return found


def _until_unreadable(produce: "Callable[..., Iterable[Item]]", *arguments: "Any") -> "list[Item]":
    """What produce yields (no more than MOST) before it comes upon something that is not as the schema promises."""
    items = []
    try:
        for item in islice(produce(*arguments), rules.MOST):
            items.append(item)
    except UNREADABLE:
        return items
    return items


def _groups(name: str, value: "Any") -> "Iterable[tuple[str, rules.Rules, tuple[Any, ...]]]":
    if name == "config":
        return rules.groups(value)
    return [("", {"process": rules_process.RULES, "resources": rules_resources.RULES}.get(name, ()), (value,))]


def _is_below(pointer: str, places: "Iterable[str]") -> bool:
    """Whether pointer is one of the places or in one of them."""
    return any(pointer == place or pointer.startswith(place + "/") for place in places)
