"""Fixtures of the attacks: what they must not change, and the runtime that they are run against.

A test that is marked with @attack runs against pyrunc, and once more against each copy of it with a protection taken
out: there it has to break in.  With --attacked (tests/attacks/run) it runs against another runtime instead.
"""

import itertools
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.attack import AttackBundles, Attacked, BreakIn, attack_of, is_pyrunc, last_line, version_of
from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.denied import Denied, DenyFactory, build_denied
from tests.support.rootfs import RootTemplate
from tests.support.runtime import Pyrunc
from tests.support.swapper import build_swapper
from tests.support.weakened import Change, weakened

SUPPORT = Path(__file__).parent.parent / "support"
Weakness = tuple[Change, ...]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`attacked` is pyrunc, and then each weakened copy."""
    mark = next(metafunc.definition.iter_markers("attack"), None)
    if mark and "attacked" in metafunc.fixturenames:
        weak = mark.args[0].weak
        metafunc.parametrize("attacked", [None, *weak.values()], ids=["strong", *weak], indirect=True)


def weakness_of(item: pytest.Item) -> "Weakness | None":
    """The changes of the copy that a test is run against; None for the runtime as it is."""
    callspec = getattr(item, "callspec", None)
    weakness: Weakness | None = callspec.params.get("attacked") if callspec else None
    return weakness


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what cannot succeed against a weakened copy, and what a report does not ask for."""
    kept = [item for item in items if not (mark := attack_of(item)) or wanted(config, item, mark.when)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def wanted(config: pytest.Config, item: pytest.Item, when: "Callable[..., object] | None") -> bool:
    """Whether an attack is run."""
    weakness = weakness_of(item)
    if weakness is None:
        return not config.getoption("--prove", False)
    if when is not None and not when(item.callspec.params):  # type: ignore[attr-defined]
        return False
    return bool(config.getoption("--prove", not config.getoption("--attacked", None)))


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Against a weakened copy an attack has to succeed."""
    outcome = yield
    if not attack_of(pyfuncitem) or weakness_of(pyfuncitem) is None:
        return
    error = outcome.excinfo  # type: ignore[attr-defined]
    if error is None:
        outcome.force_exception(  # type: ignore[attr-defined]
            AssertionError("the attack does not succeed against a copy without that protection")
        )
    elif issubclass(error[0], BreakIn):
        outcome.force_result(True)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def command(request: pytest.FixtureRequest) -> list[str]:
    """The runtime that is attacked, with its global options."""
    named = request.config.getoption("--attacked", None)
    return shlex.split(named) if named else [str(request.getfixturevalue("runtime"))]


@pytest.fixture(scope="session")
def is_own(command: list[str]) -> bool:
    """Whether that is pyrunc."""
    return is_pyrunc(version_of(command[0]))


@pytest.fixture(scope="session")
def refusal(command: list[str], is_own: bool, session_folder: Path, root_template: RootTemplate) -> str:
    """Why a foreign runtime runs nothing here, not even a container without any attack; "" when it does."""
    if is_own:
        return ""
    folder = session_folder / "plain"
    runtime = Attacked(command, folder / f"root-{folder.name}", folder / "output")
    result = runtime.run(AttackBundles(folder, root_template)(("/bin/true",)))
    runtime.delete_all()
    return f"a plain container is refused: {last_line(result.stderr)}" if result.returncode else ""


@pytest.fixture
def attacked(
    request: pytest.FixtureRequest,
    command: list[str],
    is_own: bool,
    refusal: str,
    folder: Path,
    weak_command: Callable[..., Path],
) -> Iterator[Attacked]:
    """The runtime that is attacked, or a weakened copy of pyrunc; what it left is deleted by force."""
    changes: Weakness | None = getattr(request, "param", None)
    if changes is None and refusal:
        pytest.skip(refusal)
    argv = command if changes is None else [str(weak_command(*changes))]
    made = Attacked(argv, folder / f"root-{folder.name}", folder / "output")
    made.own, made.weak = changes is None and is_own, changes is not None
    yield made
    failures = made.delete_all()
    if not is_own:
        remove_cgroups(f"-{folder.name}-")
    assert not failures, failures
    assert made.containers() == []


def remove_cgroups(name: str) -> None:
    """Removes the cgroups with that in their names, which a foreign runtime that failed has left."""
    for path in sorted(leaks.cgroups(), reverse=True):
        if name in path:
            os.rmdir(path)


@pytest.fixture
def bundle(folder: Path, root_template: RootTemplate, is_own: bool) -> BundleFactory:
    """Makes bundles; for a foreign runtime such as all take."""
    return (BundleFactory if is_own else AttackBundles)(folder, root_template)


@pytest.fixture(scope="session")
def race_seconds() -> float:
    """How long a race is run: briefly in `make test`, longer by tests/attacks/run."""
    return float(os.environ.get("PYRUNC_RACE_SECONDS", "1"))


@pytest.fixture
def canary(folder: Path) -> Canary:
    """A folder of the host that must stay as it is."""
    return Canary(folder / "canary")


@pytest.fixture(scope="session")
def weak_command(session_folder: Path) -> Callable[..., Path]:
    """weak_command(*changes) is the command of a copy of pyrunc with these changes; the same ones are built once."""
    numbers = itertools.count(1)
    made: dict[Weakness, Path] = {}

    def command(*changes: Change) -> Path:
        if changes not in made:
            made[changes] = weakened(session_folder / f"weak-{next(numbers)}", *changes)
        return made[changes]

    return command


@pytest.fixture
def weak(weak_command: Callable[..., Path], folder: Path) -> Iterator[Callable[..., Attacked]]:
    """weak(*changes) calls such a copy, with a state root of its own; what it left is deleted by force."""
    numbers = itertools.count(1)
    made: list[Attacked] = []

    def call(*changes: Change) -> Attacked:
        name = f"weak-{folder.name}{next(numbers)}"
        made.append(Attacked([str(weak_command(*changes))], folder / f"root-{name}", folder / f"output-{name}"))
        made[-1].own, made[-1].weak = False, True
        return made[-1]

    yield call
    failures = [failure for pyrunc in made for failure in pyrunc.delete_all()]
    assert not failures, failures


def compiled(folder: Path, name: str, *flags: str) -> Path:
    """A program of tests/support, built without any library that a container would have to have."""
    program = folder / name
    flags = ("-std=c11", "-O2", "-s", "-Wall", "-Wextra", "-Werror", *flags)
    subprocess.run(["gcc", *flags, "-o", program, SUPPORT / f"{name}.c"], check=True)
    return program


@pytest.fixture(scope="session")
def snoop(session_folder: Path) -> Path:
    """The static hostile program of snoop.c."""
    return compiled(session_folder, "snoop", "-static")


@pytest.fixture(scope="session")
def loader(session_folder: Path) -> Path:
    """The hostile dynamic loader of loader.c."""
    return compiled(session_folder, "loader", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector")


@pytest.fixture(scope="session")
def swapper(session_folder: Path) -> Path:
    """The program that exchanges two names as fast as it can."""
    return build_swapper(session_folder)


@pytest.fixture
def deny(pyrunc: Pyrunc, session_folder: Path) -> DenyFactory:
    """deny(error, calls) is `pyrunc` under a seccomp filter that denies these system calls; of: another command;
    only: the commands that are called so."""
    program = build_denied(session_folder)

    def make(error: str, calls: str, only: "tuple[str, ...]" = (), of: "Pyrunc | None" = None) -> Denied:
        return Denied(of or pyrunc, program, error, calls, only)

    return make
