"""list of a state root with many containers in it, and with some that are half there."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root
MANY = 500


def copies(pyrunc: Pyrunc, container_id: str, count: int) -> list[str]:
    """Records of so many more containers: the one's with other ids, and of a process that has long ended."""
    record = json.loads((pyrunc.root / container_id / "state.json").read_text())
    names = [f"{container_id}.{number}" for number in range(count)]
    for name in names:
        place = pyrunc.root / name
        shutil.copytree(pyrunc.root / container_id, place, ignore=lambda *_: ["process", "start.sock"])
        ended = {"id": name, "phase": "created", "pid": 1, "start_time": 2**40}
        (place / "state.json").write_text(json.dumps({**record, **ended}))
    return names


@pytest.fixture
def one(bundle: BundleFactory, pyrunc: Pyrunc) -> str:
    """The id of a created container, the only one below the state root."""
    container_id, _ = pyrunc.create(bundle(["/bin/sleep", "1000"]))
    return container_id


def remove(pyrunc: Pyrunc, names: list[str]) -> None:
    """Takes the records away again, without 500 commands."""
    for name in names:
        shutil.rmtree(pyrunc.root / name)


def test_many_containers(one: str, pyrunc: Pyrunc) -> None:
    """All of them in every form, in the order of their ids, in one go."""
    names = copies(pyrunc, one, MANY)
    try:
        ids = sorted([one, *names])
        assert pyrunc.ok("list", "--quiet").stdout.splitlines() == ids
        listed = pyrunc.ok("list", "--format", "json").json()
        assert [entry["id"] for entry in listed] == ids
        assert {entry["status"] for entry in listed if entry["id"] != one} == {"stopped"}
        assert next(entry for entry in listed if entry["id"] == one)["status"] == "created"
        table = pyrunc.ok("list").stdout.splitlines()
        assert [line.split()[0] for line in table[1:]] == ids
        assert {line.find("stopped") for line in table[2:]} == {table[0].index("STATUS")}
    finally:
        remove(pyrunc, names)


def test_a_record_that_cannot_be_read(one: str, pyrunc: Pyrunc) -> None:
    """It is told of, and the others are listed."""
    spoilt, gone = copies(pyrunc, one, 2)
    try:
        (pyrunc.root / spoilt / "state.json").write_text("{")
        (pyrunc.root / gone / "state.json").unlink()
        (pyrunc.root / "a file").touch()
        result = pyrunc.ok("list", "--quiet")
        assert result.stdout.splitlines() == [one]
        assert spoilt in result.stderr
    finally:
        (pyrunc.root / "a file").unlink()
        remove(pyrunc, [spoilt, gone])


def test_a_root_that_is_not_there(pyrunc: Pyrunc, folder: Path) -> None:
    """No containers, and no error."""
    command = Pyrunc(pyrunc.command, folder / "nowhere", folder / "output")
    assert command.ok("list", "--quiet").stdout == ""
    assert command.ok("list", "--format", "json").stdout == "null\n"
    assert not (folder / "nowhere").exists()
