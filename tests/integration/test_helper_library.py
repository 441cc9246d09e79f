"""pyrunc in a program that has a life of its own: signal handlers, threads, children, nothing left open."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyrunc import helper, launch
from pyrunc.container import Container
from pyrunc.errors import PyruncError
from tests.support import leaks
from tests.support.bundles import BundleFactory
from tests.support.protocol import RealHelper, smallest
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root


@contextmanager
def interrupted(seconds: float) -> Iterator[list[int]]:
    """A handler that is called all the time; the list grows with its calls."""
    calls: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: calls.append(number))
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield calls
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_signals_while_waiting(pyrunc: Pyrunc, bundle: BundleFactory) -> None:
    """Handlers run, and nothing fails for it (PEP 475)."""
    path = str(bundle(["/bin/true"]))
    with interrupted(0.001) as calls:
        for _ in range(8):
            container = Container.create(str(pyrunc.root), pyrunc.new_id(), path)
            container.start()
            assert container.wait() == 0
            container.delete()
    assert calls


def test_threads(pyrunc: Pyrunc, bundle: BundleFactory) -> None:
    """Containers made by several threads at once do not get into each other's way."""
    path = str(bundle(["/bin/true"]))
    failures: list[BaseException] = []

    def make() -> None:
        try:
            for _ in range(3):
                container = Container.create(str(pyrunc.root), pyrunc.new_id(), path)
                container.start()
                assert container.wait() == 0
                container.delete()
        except BaseException as error:  # noqa: BLE001 told by the test, not by the thread
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_nothing_stays_open(pyrunc: Pyrunc, bundle: BundleFactory) -> None:
    """Neither after containers that went well, nor after those that failed at any stage."""
    good = bundle(["/bin/true"])
    bad: list[Path] = []
    for spoil in SPOILT:
        broken = bundle(["/bin/true"])
        spoil(broken.config)
        bad.append(broken.save().path)
    before = None
    for _ in range(3):
        container = Container.create(str(pyrunc.root), pyrunc.new_id(), str(good))
        container.start()
        container.wait()
        container.delete()
        for path in bad:
            with pytest.raises(PyruncError):
                Container.create(str(pyrunc.root), pyrunc.new_id(), str(path))
        now = leaks.descriptors()
        before = before or now
        assert now == before


def no_program(config: "dict[str, dict[str, object]]") -> None:
    """Found out by the helper."""
    config["process"]["args"] = ["/nonexistent"]


def no_source(config: "dict[str, list[object]]") -> None:
    """Found out by the builder, before it joins anything."""
    config["mounts"].append({"destination": "/x", "type": "bind", "source": "/nonexistent", "options": ["bind"]})


def no_file_system(config: "dict[str, list[object]]") -> None:
    """Found out by the builder, inside."""
    config["mounts"].append({"destination": "/x", "type": "nonexistent", "source": "x"})


def no_hook(config: "dict[str, object]") -> None:
    """Found out by the builder, when the file system stands."""
    config["hooks"] = {"createContainer": [{"path": "/nonexistent"}]}


def no_runtime_hook(config: "dict[str, object]") -> None:
    """Found out by the runtime, while the builder waits."""
    config["hooks"] = {"createRuntime": [{"path": "/nonexistent"}]}


SPOILT: "list[Callable[..., None]]" = [no_program, no_source, no_file_system, no_hook, no_runtime_hook]


def test_helpers_leave_no_descriptors_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a helper that ran, one that failed, and one that could not be started."""
    before = leaks.descriptors()
    with RealHelper() as init:
        smallest().send(init.channel)
        init.channel.receive(helper.READY)
    with RealHelper() as init:
        smallest("/nonexistent").send(init.channel)
        with pytest.raises(PyruncError):
            init.channel.receive(helper.READY)
    monkeypatch.setattr(launch, "open_helper", lambda: os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC))
    with pytest.raises(PyruncError, match=r"start pyrunc-init: .*permission denied"):
        RealHelper()
    assert leaks.descriptors() == before


def test_a_thread_that_ends_does_not_take_its_container_along(pyrunc: Pyrunc, bundle: BundleFactory) -> None:
    """The parent-death signal is of the thread that spawned the helper: it must be off by then."""
    path, made = str(bundle(["/bin/true"])), []
    thread = threading.Thread(target=lambda: made.append(Container.create(str(pyrunc.root), pyrunc.new_id(), path)))
    thread.start()
    thread.join()
    (container,) = made
    assert container.status() == "created"
    container.start()
    assert container.wait() == 0
    container.delete()
