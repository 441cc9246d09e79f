"""mounts add and mounts remove by an ordinary user, in containers of his own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Bundle
from tests.support.ordinary_user import OrdinaryUser

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")


def places_of(user: OrdinaryUser, container_id: str) -> list[str]:
    lines = Path(f"/proc/{user.state(container_id)['pid']}/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines]


@pytest.mark.parametrize("ranges", [False, True])
def test_add_and_remove(user: OrdinaryUser, rootless: Callable[..., Bundle], folder: Path, ranges: bool) -> None:
    source = folder / "source"
    source.mkdir()
    (source / "file").write_text("of the host\n")
    container_id, _ = user.create(rootless(SLEEP, ranges=ranges))
    user.ok("start", container_id)
    listed = [
        {"destination": "/data", "source": str(source), "options": ["rbind", "ro"]},
        {"destination": "/t", "type": "tmpfs", "source": "t"},
    ]
    user.ok("mounts", "add", container_id, "-", input=json.dumps(listed))
    assert user.ok("exec", container_id, "cat", "/data/file").stdout == "of the host\n"
    bad = [
        {"destination": "/x", "type": "tmpfs", "source": "t"},
        {"destination": "/y", "source": "/no", "type": "bind"},
    ]
    assert user("mounts", "add", container_id, "-", input=json.dumps(bad)).returncode == 1
    places = places_of(user, container_id)
    assert ("/data" in places, "/t" in places, "/x" in places) == (True, True, False)
    user.ok("mounts", "remove", container_id, "-", input=json.dumps(listed))
    places = places_of(user, container_id)
    assert ("/data" in places, "/t" in places) == (False, False)


def test_before_the_start(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """What waits is pyrunc-init, which lets nobody look into it: an ordinary user cannot enter its namespaces."""
    container_id, _ = user.create(rootless(SLEEP))
    hint = "an ordinary user can enter a container only when it has been started"
    for command in (("mounts", "add", container_id, "-"), ("exec", container_id, "true")):
        result = user(*command, input="[]")
        assert result.returncode != 0
        assert result.stderr.endswith(f"enter the container: permission denied\nhint: {hint}\n"), result
    assert user.state(container_id)["status"] == "created"
