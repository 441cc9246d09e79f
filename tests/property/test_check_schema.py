"""The generated check and jsonschema say the same, whatever is done to a real configuration."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrunc.errors import ConfigError
from pyrunc.spec import _check, check, report, rules
from tests.support import mutations

CORPUS = Path(__file__).parent.parent / "corpus"
CHECKS = {"config": _check.check_config, "process": _check.check_process, "resources": _check.check_resources}
KINDS = sorted(CHECKS)


def kind_of(file: Path) -> str:
    ending = file.stem.rpartition("-")[2]
    return ending if ending in CHECKS else "config"


@functools.cache
def documents(kind: str) -> list[Any]:
    """The corpus of a kind, and the document that has everything."""
    files = [file for file in sorted(CORPUS.glob("*.json")) if kind_of(file) == kind]
    return [json.loads(file.read_text()) for file in files] + [mutations.sample(report.validator(kind).schema)]


@functools.cache
def validator(kind: str) -> Any:
    return report.validator(kind)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(mutations.VALUES),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def damaged(data: st.DataObject, document: Any) -> Any:
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(mutations.paths(document))))
        how = data.draw(st.sampled_from(("replace", "remove", "add", "wrap")))
        if how == "remove" and path:
            document = mutations.removed(document, path)
        elif how == "add":
            document = mutations.replaced(document, (), document)
            target = document
            for part in path:
                target = target[part]
            if isinstance(target, dict):
                target[data.draw(st.text(max_size=4))] = data.draw(JSON)
            elif isinstance(target, list):
                target.append(data.draw(JSON))
        elif how == "wrap":
            inner = functools.reduce(lambda value, part: value[part], path, document)
            document = mutations.replaced(document, path, data.draw(st.sampled_from(([inner], {"x": inner}))))
        else:
            document = mutations.replaced(document, path, data.draw(JSON))
    return document


def agree(kind: str, document: Any) -> None:
    verdict = CHECKS[kind](document)
    assert (verdict is None) == validator(kind).is_valid(document), verdict


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_same_verdict(kind: str, data: st.DataObject) -> None:
    agree(kind, damaged(data, data.draw(st.sampled_from(documents(kind)))))


@pytest.mark.parametrize("kind", KINDS)
def test_same_verdict_everywhere(kind: str) -> None:
    """Every damage at every place of a document that has everything the schema knows."""
    document = documents(kind)[-1]
    agree(kind, document)
    for path in mutations.paths(document):
        small = mutations.lean(document, path)
        for value in (*mutations.VALUES, None):
            agree(kind, mutations.replaced(small, path, value))
        if path:
            agree(kind, mutations.removed(small, path))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_check_config_never_breaks(data: st.DataObject) -> None:
    """Whatever it is given, check_config passes it or explains it, and says yes only to what all checks take."""
    document = damaged(data, data.draw(st.sampled_from(documents("config"))))
    problems: list[tuple[str, str]] = []
    try:
        check.check_config(document)
    except ConfigError as error:
        problems, text = error.problems, str(error)
    if problems:
        assert len(text.splitlines()) == (1 if len(problems) == 1 else len(problems) + 1)
    else:
        assert validator("config").is_valid(document)
        assert not rules.check_rules(document)
        rules.warnings(document)
