"""What the attacks have in common: a verdict that holds for any runtime, and the runtimes that they are run against.

An attack that reaches what it must not raises BreakIn, whatever the runtime said meanwhile; one that comes to its end
was held.  What else pyrunc is expected to do (its words, its statuses) is asserted beside that, where `own` says so.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import OLD_VERSION, AnyRuntime, Hung, Result
from tests.support.weakened import Change


class BreakIn(Exception):
    """The attack has succeeded: the runtime is broken."""


def broken_if(achieved: object, what: str) -> None:
    """The verdict: `achieved` is what no attack may achieve.  It is told if it is text, a list or a set."""
    if achieved:
        raise BreakIn(what if achieved is True else f"{what}: {achieved!r}")


@dataclass(frozen=True)
class Attack:
    """What a test function says of itself.

    entries: of security.md ("S7"), the names of rows in the report
    weak:    name -> changes that take a protection out; the attack has to succeed against each such copy
    when:    with which parameters of the test it can succeed there (default: all)
    inner:   why it concerns pyrunc only (it calls the library, or pyrunc's own commands); "" for any runtime
    """

    entries: tuple[str, ...]
    weak: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    when: "Callable[[Mapping[str, Any]], object] | None" = None
    inner: str = ""


def attack(
    *entries: str,
    weak: "Mapping[str, tuple[Change, ...]] | None" = None,
    when: "Callable[[Mapping[str, Any]], object] | None" = None,
    inner: str = "",
) -> Callable[[Any], Any]:
    """Marks a test function as the attack, or one of the attacks, of these entries."""
    return pytest.mark.attack(Attack(entries, weak or {}, when, inner))


def attack_of(item: pytest.Item) -> "Attack | None":
    """The mark of a test function."""
    mark = item.get_closest_marker("attack")
    return mark.args[0] if mark else None


class Attacked(AnyRuntime):
    """The runtime that is attacked: pyrunc, a weakened copy of it, or a foreign one.

    own:  whether it is pyrunc as it is: then its words are compared, too
    weak: whether it is a copy without a protection
    """

    own = True
    weak = False

    def undecided_unless(self, result: Result, what: str) -> Result:
        """Leaves the attack out where what comes before it cannot be had from a foreign runtime."""
        if result.returncode and not self.own:
            pytest.skip(f"{what} is refused: {last_line(result.stderr)}")
        assert result.returncode == 0, result
        return result

    def needs(self, command: str, *options: str) -> None:
        """Leaves the attack out for a runtime whose command does not know such options."""
        usage = self(command, "--help")
        missing = [option for option in options if option not in usage.stdout + usage.stderr]
        if missing:
            pytest.skip(f"{command} has no option {', '.join(missing)}")

    def create(self, bundle: Any, *options: str, **keywords: Any) -> "tuple[str, Result]":
        """Creates a container that the attack needs; where it cannot, the attack cannot run."""
        container_id = self.new_id()
        result = self("create", "--bundle", bundle, *options, container_id, **keywords)
        return container_id, self.undecided_unless(result, "create")

    def start(self, container_id: str) -> None:
        """The same for start."""
        self.undecided_unless(self("start", container_id), "start")

    def in_time(self, call: Callable[[], Result], what: str) -> Result:
        """A call that must not hang, whatever the container does."""
        try:
            return call()
        except Hung as error:
            raise BreakIn(f"{what}: {error}") from None


class AttackBundles(BundleFactory):
    """Bundles that any runtime takes: without cgroups of their own, and of an old version of the specification."""

    def __call__(self, *args: Any, **options: Any) -> Bundle:
        made = super().__call__(*args, **options)
        made.config["mounts"] = [entry for entry in made.config["mounts"] if entry["type"] != "cgroup"]
        made.config.get("linux", {}).pop("resources", None)
        made.config["ociVersion"] = OLD_VERSION
        return made.save()


def last_line(text: str) -> str:
    """The message, without the time and level that some runtimes put before it."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return "no message"
    try:
        found = json.loads(lines[-1])
    except ValueError:
        return lines[-1]
    return str(found.get("msg", lines[-1])) if isinstance(found, dict) else lines[-1]


def is_pyrunc(version: str) -> bool:
    """Whether a runtime is pyrunc, by the first line of --version."""
    return version.startswith("pyrunc ")


def version_of(program: "str | Path") -> str:
    """The first line of what the runtime says of itself."""
    import subprocess

    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    return (done.stdout.splitlines() or ["unknown"])[0]
