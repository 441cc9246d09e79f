"""Containers that run the probe (probe.c), and what it sees in there."""

from typing import Any

from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc


def probe(bundle: BundleFactory, *asked: str, **process: Any) -> Bundle:
    """A bundle that runs the probe, with those fields of `process` changed."""
    made = bundle(("/bin/probe", *asked))
    made.config["process"].update(process)
    return made.save()


def see(pyrunc: Pyrunc, made: Bundle, *options: str, **keywords: Any) -> dict[str, Any]:
    """What the probe in the bundle sees."""
    made.save()
    result = pyrunc.run(made, *options, **keywords)
    assert result.returncode == 0, result
    seen = result.json()
    assert isinstance(seen, dict)
    return seen


def refused(pyrunc: Pyrunc, made: Bundle, *words: str) -> None:
    """The container cannot be made, the words are in the first line of the message, and nothing is left."""
    made.save()
    result = pyrunc.run(made)
    assert result.returncode == 1
    for word in words:
        assert word in result.stderr.splitlines()[0]
    assert pyrunc.containers() == []
