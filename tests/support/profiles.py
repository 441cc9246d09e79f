"""Seccomp profiles as engines hand them to the runtime, from the recorded configurations."""

from typing import Any

from tests.support import corpus


def without_nulls(value: Any) -> Any:
    """As the loader gives it: members that are null are not there."""
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value


def corpus_profile(name: str) -> dict[str, Any]:
    """linux.seccomp of the recorded configuration of that name."""
    return dict(without_nulls(corpus.load(f"{name}.json")["linux"]["seccomp"]))


def corpus_profiles() -> list[str]:
    """The names of recorded configurations whose profiles differ, one for each profile."""
    distinct: dict[str, str] = {}
    for file in corpus.names():
        name = file.removesuffix(".json")
        if corpus.load(file)["linux"].get("seccomp"):
            distinct.setdefault(str(corpus_profile(name)), name)
    return list(distinct.values())
