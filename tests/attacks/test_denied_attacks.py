"""The attacks on paths, mounts and procfs (S5 to S7, S15 to S18, S20 to S22) with each newer system call denied.

Where pyrunc does without the call, an attack has to fail as it does with all calls; where it refuses to work, it must
have refused before it met the attack.  PYRUNC_DENIED=all (`make denied`) takes every attack with every call, and races.
"""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import test_s04_own_binary as s04
from tests.attacks import test_s05_s18_procfs as s18
from tests.attacks import test_s06_s11_proc_is_a_link as s06
from tests.attacks import test_s07_s15_races as s07
from tests.attacks import test_s14_leaked_descriptors as s14
from tests.attacks import test_s16_null_device as s16
from tests.attacks import test_s17_console as s17
from tests.attacks import test_s20_s21_s22_links_of_the_image as s22
from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.denied import CALLS, CREATE_WORKS, ERRORS, EXEC_WORKS, Denied, DenyFactory, assert_refused
from tests.support.runtime import Pyrunc, Result
from tests.support.weakened import CHECKOUT, Change

pytestmark = pytest.mark.root

ALL = os.environ.get("PYRUNC_DENIED") == "all"
Attack = tuple[Callable[..., None], dict[str, Any]]
ATTACKS: list[Attack] = [
    *((s07.test_link, {"kind": kind}) for kind in s07.MOUNTS),
    (s18.test_mounts_over_proc, {"destination": "/proc/sys", "source": "forged"}),
    (s18.test_mounts_over_proc, {"destination": "/l/sys", "source": "tmpfs"}),
    (s18.test_sysctl, {}),
    (s06.test_link, {"name": "proc", "target": "HOST"}),
    (s06.test_link, {"name": "sys", "target": "/elsewhere"}),
    (s16.test_masks, {"kind": "link", "bind": False}),
    (s16.test_masks, {"kind": "link", "bind": True}),
    (s17.test_console_is_a_link, {"target": "/victim"}),
    (s17.test_multiplexer_is_a_link, {"name": "dev/pts/ptmx"}),
    (s22.test_dev_is_a_link, {}),
    (s22.test_masked_through_a_link, {"kind": "maskedPaths"}),
    (s22.test_masked_through_a_link, {"kind": "readonlyPaths"}),
    (s22.test_tangle_of_links, {"seed": 1}),
]
RACES: list[Attack] = [(s07.test_race, {}), (s22.test_masked_in_a_race, {})]
EXEC_ATTACKS: list[Attack] = [(s14.test_exec, {}), (s14.test_program, {}), (s14.test_descriptors, {})]

UNCHECKED: Change = ("pyrunc/kernel_calls.py", "    if found:\n        raise lacking(found)\n", "")
BY_STRING: Change = (
    "pyrunc/operations/paths.py",
    """                raise PyruncError(
                    str(error),
                    errno=error.errno or 0,
""",
    """                try:
                    return posix.open(path.lstrip("/") or ".", flags | posix.O_CLOEXEC, dir_fd=root)
                except OSError as failed:
                    raise SystemCallError(failed.errno or 0, "open", path) from None
                raise PyruncError(
                    str(error),
                    errno=error.errno or 0,
""",
)
"""Without openat2 the next best thing."""


class NothingDone(Exception):
    """A command was refused, and so the attack ends."""


class Refusing(Denied):
    """The command under a filter where it has to refuse to do anything."""

    def __call__(self, *args: "str | os.PathLike[str]", **options: Any) -> Result:
        error, call = self.filter[1:]
        assert_refused(super().__call__(*args, **options), call, error, self)
        raise NothingDone


@pytest.fixture
def attack(bundle: BundleFactory, canary: Canary, folder: Path, swapper: Path) -> Callable[[Attack, Pyrunc], None]:
    """attack(one, pyrunc) calls a test of another file with that command."""

    def call(one: Attack, pyrunc: Pyrunc) -> None:
        function, values = one
        have = {"bundle": bundle, "canary": canary, "folder": folder, "swapper": swapper, "pyrunc": pyrunc, **values}
        function(**{name: have[name] for name in inspect.signature(function).parameters})
        assert canary.intact

    return call


REFUSED = [(call, error) for call in CALLS if call not in CREATE_WORKS for error in ERRORS]


@pytest.mark.parametrize(
    ("number", "call", "error"),
    [
        (number, *case)
        for turn, case in enumerate(REFUSED if ALL else REFUSED[::3])
        for number in (range(len(ATTACKS)) if ALL else [turn % len(ATTACKS)])
        if ATTACKS[number][0].__module__ != s17.__name__  # which wait for a terminal to come
    ],
)
def test_refused(
    number: int, call: str, error: str, attack: Callable[..., None], deny: DenyFactory, canary: Canary
) -> None:
    """There is nothing to attack."""
    denied = deny(error, call)
    with pytest.raises(NothingDone):
        attack(ATTACKS[number], Refusing(denied, Path(denied.filter[0]), error, call))
    assert canary.intact


def test_refused_can_fail(
    bundle: BundleFactory, weak: Callable[..., Pyrunc], deny: DenyFactory, canary: Canary, folder: Path
) -> None:
    """A runtime that goes on with what there is can be led out of the root."""
    volume = folder / "volume"
    volume.mkdir()
    (volume / "a").symlink_to(canary.link)
    deny("ENOSYS", "openat2", of=weak(UNCHECKED, BY_STRING)).run(s07.victim(bundle, ("tmpfs",), volume))
    assert not canary.intact


@pytest.mark.parametrize(
    ("number", "call", "error"),
    [
        (number, call, error)
        for call in sorted(CREATE_WORKS)
        for turn, error in enumerate(ERRORS)
        for number in range(len(ATTACKS))
        if ALL or number % len(ERRORS) == turn
    ],
)
def test_held(number: int, call: str, error: str, attack: Callable[..., None], deny: DenyFactory) -> None:
    """The container does without the call, and the attack fails as ever."""
    attack(ATTACKS[number], deny(error, call))


EXECS = [(call, error) for call in sorted(EXEC_WORKS) for error in ERRORS]


@pytest.mark.parametrize(("call", "error"), EXECS if ALL else [("open_tree", "EPERM")])
def test_exec_held(call: str, error: str, attack: Callable[..., None], deny: DenyFactory) -> None:
    """With the call denied to exec alone."""
    for one in EXEC_ATTACKS if ALL else EXEC_ATTACKS[:1]:
        attack(one, deny(error, call, only=("exec",)))


@pytest.mark.parametrize(("call", "error"), EXECS if ALL else [("mount_setattr", "ENOSYS")])
def test_own_binary(call: str, error: str, bundle: BundleFactory, deny: DenyFactory, snoop: Path) -> None:
    """S4 against a sealed copy of pyrunc-init."""
    assert s04.written(deny(error, call, only=("exec",)), bundle, snoop, CHECKOUT / "pyrunc", seconds=0.5) == []


@pytest.mark.skipif(not ALL, reason="takes long: make denied")
@pytest.mark.parametrize("error", list(ERRORS))
@pytest.mark.parametrize("call", sorted(CREATE_WORKS))
@pytest.mark.parametrize("number", range(len(RACES)))
def test_race(number: int, call: str, error: str, attack: Callable[..., None], deny: DenyFactory) -> None:
    attack(RACES[number], deny(error, call))
