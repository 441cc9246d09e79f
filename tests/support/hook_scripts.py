"""Hooks that are shell scripts, and what it takes to run them as the runtime does."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyrunc import hooks
from pyrunc.errors import PyruncError
from tests.support import processes
from tests.support.processes import PATIENCE

STATE: dict[str, object] = {"ociVersion": "1.3.0", "id": "pyrunc-test-hooks", "status": "creating", "bundle": "/b"}
STATE_JSON = '{"ociVersion":"1.3.0","id":"pyrunc-test-hooks","status":"creating","bundle":"/b"}'

Script = Callable[..., dict[str, object]]


def scripts(folder: Path) -> Script:
    """A function that makes a hook from the body of a shell script."""
    count = 0

    def make(body: str, **more: object) -> dict[str, object]:
        nonlocal count
        count += 1
        path = folder / f"hook{count}"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return {"path": str(path), **more}

    return make


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """No descriptor and no child that was not there before is there afterwards."""
    descriptors = sorted(os.listdir("/proc/self/fd"))
    children = set(processes.children(os.getpid()))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
    assert set(processes.children(os.getpid())) <= children


def run(*list_of_hooks: dict[str, object], **options: object) -> list[PyruncError]:
    """run_hooks with the state and kind of these tests."""
    arguments = {"container_id": "pyrunc-test-hooks", **options}
    return hooks.run_hooks(list(list_of_hooks), STATE, "createRuntime", **arguments)  # type: ignore[arg-type]


def failure(*list_of_hooks: dict[str, object], **options: object) -> PyruncError:
    """The error that these hooks end in."""
    with pytest.raises(PyruncError) as caught:
        run(*list_of_hooks, **options)
    return caught.value


def short_timeout(script: Script) -> int:
    """Whole seconds within which a hook has said its first words, however slow or busy the machine is."""
    begin = time.monotonic()
    run(script("echo"))
    return 1 + int(10 * (time.monotonic() - begin))


def wait_for_orphan(pid: int) -> None:
    """Waits for the end of a process that came to us when its parent ended (the tests are a subreaper)."""
    deadline = time.monotonic() + PATIENCE
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.005)
