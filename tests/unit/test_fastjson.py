"""JSON on the hot path: as strict as promised, equal to json where both take a text, and without importing it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pyrunc import fastjson

CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("*.json"))


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_corpus(file: Path) -> None:
    text = file.read_text()
    value = fastjson.loads(text)
    assert value == json.loads(text)
    assert json.loads(fastjson.dumps(value)) == value
    assert fastjson.dumps(value) == json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert fastjson.dumps(value, indent=True) == json.dumps(value, indent=2, ensure_ascii=False)
    assert fastjson.dumps(value, indent="\t") == json.dumps(value, indent="\t", ensure_ascii=False)


REFUSED = {
    "": "line 1, column 1: a value is missing",
    " \n ": "line 2, column 2: a value is missing",
    "{": "line 1, column 2: expecting property name enclosed in double quotes",
    "[1,x]": "line 1, column 4: a value is missing",
    "[1] x": "line 1, column 5: more text after the value",
    '{"a": 1, "a": 2}': 'line 1, column 10: duplicate key "a"',
    '{"a": null, "a": 2}': 'line 1, column 13: duplicate key "a"',
    '{"b": null,\n "b\\u0041": {"x": 1,\n  "\\u0078" : 2}}': 'line 3, column 3: duplicate key "x"',
    "[NaN]": "line 1, column 2: NaN and infinities are not JSON",
    "Infinity": "line 1, column 1: NaN and infinities are not JSON",
    "[1, -Infinity]": "line 1, column 5: NaN and infinities are not JSON",
    "[1e999]": "line 1, column 2: number out of range",
    "[" + "1" * 5000 + "]": "line 1, column 2: number out of range",
    '["\\ud800"]': "line 1, column 2: half of a surrogate pair",
    '{"\\uDFFF": 1}': "line 1, column 2: half of a surrogate pair",
    '["\ud800"]': "line 1, column 2: half of a surrogate pair",
    "\ufeff{}": "line 1, column 1: byte order mark before the value",
    '"a\nb"': "line 1, column 3: invalid control character at",
    "['a']": "line 1, column 2: a value is missing",
    "[" * 129 + "]" * 129: "line 1, column 129: nested deeper than 128 levels",
    '{"a":' * 129 + "1" + "}" * 129: "line 1, column 641: nested deeper than 128 levels",
    "[" * 200_000: "line 1, column 129: nested deeper than 128 levels",
    '{"a":[' * 100_000: "line 1, column 385: nested deeper than 128 levels",
    "[}" * 300: "line 1, column 2: a value is missing",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_refused(text: str) -> None:
    with pytest.raises(fastjson.JSONError) as caught:
        fastjson.loads(text)
    assert str(caught.value) == REFUSED[text]


ALONE = f"""
import sys
sys.path.insert(0, {str(Path(fastjson.__file__).parent.parent)!r})
from pyrunc import fastjson
assert not {{"json", "json.decoder", "re"}} & set(sys.modules)
try:
    fastjson.loads(eval(sys.stdin.read()))
except fastjson.JSONError as error:
    print(ascii(str(error)))
"""


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_refused_where_json_was_never_imported(text: str) -> None:
    command = [sys.executable, "-IS", "-c", ALONE]
    result = subprocess.run(command, input=ascii(text), capture_output=True, text=True, timeout=20)
    assert (result.stdout, result.stderr) == (ascii(REFUSED[text]) + "\n", "")


TAKEN = {
    "[" * 128 + "]" * 128: json.loads("[" * 128 + "]" * 128),
    "[" + "[]," * 200 + "[]]": [[]] * 201,  # many brackets are not deep ones
    '["' + "[" * 200 + '"' + ",[]" * 200 + "]": ["[" * 200] + [[]] * 200,  # nor are those in strings
    '["\\"[[\\\\"' + ",[]" * 200 + "]": ['"[[\\'] + [[]] * 200,
    '"\\ud83d\\ude00"': "\U0001f600",
    "1" * 4000: int("1" * 4000),
    '{"a": null, "b": [null], "c": {"d": null}}': {"b": [None], "c": {}},
    " \t\r\n1.5 \n": 1.5,
    '{"a": {"a": 1}, "b": "a"}': {"a": {"a": 1}, "b": "a"},
    '"\\u0000"': "\0",
}


@pytest.mark.parametrize("text", TAKEN, ids=lambda text: ascii(text[:20]))
def test_taken(text: str) -> None:
    assert fastjson.loads(text) == TAKEN[text]


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize(
    "value",
    [object(), {(): 2}, {"a": [b"x"]}, float("nan"), [float("inf")], "\udc80"],
    ids=["object", "tuple as a key", "bytes", "nan", "infinity", "surrogate"],
)
def test_not_written(value: object, indent: bool) -> None:
    with pytest.raises(fastjson.JSONError):
        fastjson.dumps(value, indent=indent)


def test_empty_containers_and_nesting() -> None:
    value = {"a": [], "b": {}, "c": [{"d": [1, True, None, -2.5, 'é"\\\n']}]}
    assert fastjson.dumps(value, indent=True) == json.dumps(value, indent=2, ensure_ascii=False)


def test_same_without_the_accelerators() -> None:
    """An interpreter without _json: the same verdicts and texts, through json."""
    code = f"""
import sys; sys.modules["_json"] = None
sys.path.insert(0, {str(Path(fastjson.__file__).parent.parent)!r})
from pyrunc import fastjson
assert "json" in sys.modules
assert fastjson.loads('{{"a": [1, null], "b": null}}') == {{"a": [1, None]}}
assert fastjson.dumps({{"a": [1, "é"]}}) == '{{"a":[1,"é"]}}'
for text in ('{{"a":1,"a":2}}', "NaN", "[" * 200 + "]" * 200, "", "1e999", '"\\\\ud800"', "[1] 2"):
    try:
        fastjson.loads(text)
    except fastjson.JSONError:
        continue
    raise SystemExit(text)
"""
    subprocess.run([sys.executable, "-I", "-c", code], check=True)


def test_json_is_not_imported() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(fastjson.__file__).parent.parent)!r})
from pyrunc import fastjson
fastjson.dumps(fastjson.loads('{{"a": [1.5, "x"]}}'), indent=True)
assert not {{"json", "re", "enum", "typing"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
