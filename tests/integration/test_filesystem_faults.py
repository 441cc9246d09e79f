"""Every operation of a plan is made to fail, one by one: the error names it, and nothing is left on the host."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pyrunc.operations.base import Operation
from pyrunc.operations.build import Build
from tests.support import leaks
from tests.support.corpus import load
from tests.support.filesystem import Failed, perform, plan

pytestmark = pytest.mark.root


class Failing(Operation):
    """An operation that does its work and then says that it failed."""

    __slots__ = ("of", "step")

    def __init__(self, of: Operation, step: str) -> None:
        super().__init__(of.place)
        self.of = of
        self.step = step

    def describe(self) -> str:
        return self.of.describe()

    def prepare(self, build: Build) -> None:
        self.of.prepare(build)
        if self.step == "prepare":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def perform(self, build: Build) -> None:
        self.of.perform(build)
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("step", ["prepare", "perform"])
def test_each_operation_fails(folder: Path, step: str) -> None:
    rootfs = folder / "rootfs"
    (rootfs / "etc").mkdir(parents=True)
    config: dict[str, Any] = load("docker-run-default.json")
    for mount in config["mounts"]:
        if mount["type"] == "bind":
            mount["source"] = "/etc/hostname"
    kinds = ("mount", "network", "ipc")
    before = leaks.own_mounts()
    for index in range(len(plan(config, str(folder), kinds))):
        operations = plan(config, str(folder), kinds)
        failing = operations[index] = Failing(operations[index], step)
        with pytest.raises(Failed) as caught:
            perform(operations, str(rootfs), kinds=kinds)
        parts = (failing.place, failing.describe(), "input/output error")
        assert str(caught.value) == ": ".join(part for part in parts if part)
        assert caught.value.errno == errno.EIO
    assert leaks.own_mounts() == before
