"""Writes the schema check of the hot path as Python code: python tools/generate_check.py pyrunc/spec/_check.py

jsonschema takes 85 ms to import and some more to look at a config.json.  The function that this writes says the same
yes or no in a fraction of a millisecond; only after a no is jsonschema asked for the reasons.  Beside the code goes
_schema.json, the same schemas with their references resolved, for jsonschema.

The schemas (oci-specs/*.json) may use the keywords of KEYWORDS only; another one is an error here and not ignored.
"""

import json
import sys
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parent.parent / "oci-specs"
NAMES = ("config", "process", "resources", "state", "features")
CHECKED = ("process", "resources", "config")  # those that the hot path checks

KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "minItems"}
KEYWORDS |= {"enum", "minimum", "maximum", "minLength"}
NOTES = {"title", "description", "deprecated", "x-since", "x-until", "x-added"}
SHARED = "x-shared"  # set by resolve(): the name of what was referred to, which becomes a function of its own

TYPES = {"object": "dict", "array": "list", "string": "str", "boolean": "bool", "integer": "int"}


def resolve(schema: Any, file: str) -> Any:
    """The schema with every $ref replaced by what it names; keywords beside a $ref win."""
    if isinstance(schema, list):
        return [resolve(item, file) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target_file, _, pointer = schema["$ref"].partition("#")
        target_file = target_file or file
        target = json.loads((SCHEMAS / target_file).read_text())
        for part in pointer.split("/")[1:]:
            target = target[part]
        name = (pointer or target_file).rsplit("/", 1)[-1].removesuffix(".json")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {SHARED: name} | resolve(target, target_file) | beside
    # Not "$schema": inside a schema it would make jsonschema forget the validator it was called with.
    return {key: resolve(value, file) for key, value in schema.items() if key not in ("$defs", "$schema")}


class Writer:
    """Collects the lines of one function.  functions: those written before, by name; it adds what it needs."""

    def __init__(self, functions: dict[str, list[str]]) -> None:
        self.functions = functions
        self.lines: list[str] = []
        self.variables = 0

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def variable(self) -> str:
        self.variables += 1
        return f"v{self.variables}"

    def check(self, schema: dict[str, Any], name: str, pointer: str, depth: int) -> None:
        """Code that returns `pointer` unless the variable `name` is as the schema says."""
        if SHARED in schema and schema.get("type") in ("array", "object") and pointer:
            self.call(schema, name, pointer, depth)
            return
        unknown = schema.keys() - KEYWORDS - NOTES - {SHARED}
        if unknown:
            raise SystemExit(f"{pointer}: keywords this generator does not know: {', '.join(sorted(unknown))}")
        wrong = f"return {pointer!r}"
        if "enum" in schema:
            # A set would say yes to values that are equal but of another type, and fail on a list.
            self.line(depth, f"if type({name}) is not str or {name} not in {set_of(schema['enum'])}:")
            self.line(depth + 1, wrong)
            return
        kind = schema["type"]
        self.line(depth, f"if type({name}) is not {TYPES[kind]}{bounds(schema, name)}:")
        self.line(depth + 1, wrong)
        if kind == "array":
            self.array(schema, name, pointer, depth)
        elif kind == "object":
            self.object(schema, name, pointer, depth)

    def call(self, schema: dict[str, Any], name: str, pointer: str, depth: int) -> None:
        """Code that calls the function for a shared shape, which is written now if it was not before."""
        shared = schema[SHARED]
        if shared not in self.functions:
            self.functions[shared] = function(shared, schema, self.functions)
        place = self.variable()
        self.line(depth, f"{place} = check_{shared}({name})")
        self.line(depth, f"if {place} is not None:")
        self.line(depth + 1, f"return {pointer!r} + {place}")

    def array(self, schema: dict[str, Any], name: str, pointer: str, depth: int) -> None:
        if "items" in schema:
            self.each(schema["items"], name, f"{pointer}/*", depth)

    def object(self, schema: dict[str, Any], name: str, pointer: str, depth: int) -> None:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        missing = " or ".join(f"{key!r} not in {name}" for key in required)
        if missing:
            self.line(depth, f"if {missing}:")
            self.line(depth + 1, f"return {pointer!r}")
        for key, member in properties.items():
            value = self.variable()
            inner = depth
            if key not in required:
                self.line(depth, f"if {key!r} in {name}:")
                inner += 1
            self.line(inner, f"{value} = {name}[{key!r}]")
            self.check(member, value, f"{pointer}/{key}", inner)
        if "additionalProperties" in schema:
            if properties:
                raise SystemExit(f"{pointer}: properties and additionalProperties together are not supported")
            self.each(schema["additionalProperties"], f"{name}.values()", f"{pointer}/*", depth)

    def each(self, schema: dict[str, Any], collection: str, pointer: str, depth: int) -> None:
        """Code that checks every element."""
        if schema.keys() - NOTES - {SHARED} == {"type"} and schema["type"] not in ("array", "object"):
            # No loop in Python for the long lists of names.
            self.line(depth, f"if not {{*map(type, {collection})}} <= {{{TYPES[schema['type']]}}}:")
            self.line(depth + 1, f"return {pointer!r}")
            return
        value = self.variable()
        self.line(depth, f"for {value} in {collection}:")
        self.check(schema, value, pointer, depth + 1)


def bounds(schema: dict[str, Any], name: str) -> str:
    text = ""
    if "minimum" in schema:
        text = f" or not {schema['minimum']} <= {name} <= {schema['maximum']}"
    for keyword in ("minItems", "minLength"):
        if keyword in schema:
            text += f" or len({name}) < {schema[keyword]}"
    return text


def set_of(values: list[str]) -> str:
    return "{" + ", ".join(repr(value) for value in values) + "}"


def function(name: str, schema: dict[str, Any], functions: dict[str, list[str]]) -> list[str]:
    writer = Writer(functions)
    writer.line(0, f"def check_{name}(value: object) -> str | None:")
    writer.line(1, '"""None if value is as the schema says, else the pointer to where it is not (* for any member)."""')
    writer.check(schema, "value", "", 1)
    writer.line(1, "return None")
    return writer.lines


def main(target: Path) -> None:
    schemas = {name: resolve({"$ref": f"{name}.json"}, "") for name in NAMES}
    functions: dict[str, list[str]] = {}
    for name in CHECKED:
        functions[name] = function(name, schemas[name], functions)
    lines = ['"""Made by tools/generate_check.py from oci-specs/*.json: do not edit."""']
    for function_lines in functions.values():
        lines += ["", "", *function_lines]
    target.write_text("\n".join(lines) + "\n")
    target.with_name("_schema.json").write_text(json.dumps(schemas, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
