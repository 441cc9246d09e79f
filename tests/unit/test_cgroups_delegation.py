"""Whose cgroup it becomes (config-linux.md, "Cgroup ownership")."""

from typing import Any

import pytest

from pyrunc.cgroups.delegation import owner_of

MAPPINGS = [{"containerID": 0, "hostID": 1000, "size": 1}, {"containerID": 1, "hostID": 100000, "size": 10}]


def config(
    uid: int = 0, kinds: str = "cgroup user", options: "list[str] | None" = None, path: str = ""
) -> "dict[str, Any]":
    return {
        "process": {"user": {"uid": uid}},
        "mounts": [
            {"destination": "/proc", "type": "proc"},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "options": options or ["nosuid"]},
        ],
        "linux": {
            "namespaces": [{"type": kind, **({"path": path} if path else {})} for kind in kinds.split()],
            "uidMappings": MAPPINGS,
        },
    }


@pytest.mark.parametrize(("uid", "owner"), [(0, 1000), (1, 100000), (10, 100009), (11, None)])
def test_the_process_owns_it(uid: int, owner: "int | None") -> None:
    assert owner_of(config(uid)) == owner


def test_without_a_user_namespace() -> None:
    assert owner_of(config(5, "cgroup")) == 5
    assert owner_of(config(0, "cgroup")) is None


def test_only_where_nothing_else_can_be_reached() -> None:
    assert owner_of(config(kinds="user")) is None
    assert owner_of(config(path="/proc/1/ns/cgroup")) is None
    assert owner_of(config(options=["ro"])) is None
    assert owner_of({}) is None
