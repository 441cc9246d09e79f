"""A stand-in for pyrunc.container: what the commands call, without a kernel."""

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from pyrunc import cli, log

PROCESS = {
    "terminal": True,
    "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
    "args": ["sh"],
    "env": ["PATH=/bin"],
    "cwd": "/",
    "capabilities": {"bounding": ["CAP_KILL"], "inheritable": []},
    "noNewPrivileges": True,
}


class StandIn:
    """Records what is called, raises or returns what `answers` says."""

    calls: ClassVar[list[tuple[Any, ...]]] = []
    answers: ClassVar[dict[str, Any]] = {}

    @classmethod
    def _call(cls, name: str, *args: Any, **options: Any) -> Any:
        cls.calls.append((name, args, options))
        answer = cls.answers.get(name)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @classmethod
    def create(cls, *args: Any, **options: Any) -> Any:
        return cls._call("create", *args, **options)

    @classmethod
    def run(cls, *args: Any, **options: Any) -> Any:
        return cls._call("run", *args, **options)

    @classmethod
    def load(cls, *args: Any, **options: Any) -> Any:
        cls._call("load", *args, **options)
        return cls()

    def start(self, *args: Any) -> None:
        self._call("start", *args)

    def kill(self, *args: Any, **options: Any) -> None:
        self._call("kill", *args, **options)

    def pause(self) -> None:
        self._call("pause")

    def resume(self) -> None:
        self._call("resume")

    def update(self, *args: Any) -> None:
        self._call("update", *args)

    def stats(self) -> Any:
        return self._call("stats")

    def events(self, interval: float) -> Any:
        return iter(self._call("events", interval))

    def processes(self) -> Any:
        return self._call("processes")

    def delete(self, **options: Any) -> None:
        self._call("delete", **options)

    def state(self) -> Any:
        return self._call("state")

    def config(self) -> Any:
        return {"process": PROCESS}

    def exec(self, *args: Any, **options: Any) -> Any:
        return self._call("exec", *args, **options)


@contextmanager
def in_place_of_container(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """Commands load the stand-in instead of pyrunc.container while this lasts."""
    module = types.ModuleType("pyrunc.container")
    StandIn.calls, StandIn.answers = [], {}
    module.Container = StandIn  # type: ignore[attr-defined]
    module.list_containers = lambda root: StandIn._call("list", root)  # type: ignore[attr-defined]
    forget_commands(monkeypatch)
    monkeypatch.setitem(sys.modules, "pyrunc.container", module)
    # A test process has descriptors of its own, which must stay as they are.
    monkeypatch.setattr(
        cli, "_close_inherited", lambda preserved, command: StandIn.calls.append(("preserve", preserved))
    )
    yield StandIn
    for name in [name for name in sys.modules if name.startswith("pyrunc.commands.")]:
        del sys.modules[name]
    log.configure(None, "text", False)


def forget_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands' modules are loaded anew, and the old ones restored at the end."""
    for name in [name for name in sys.modules if name.startswith("pyrunc.commands.")]:
        monkeypatch.delitem(sys.modules, name)
