"""A container as a systemd service: what the environment says, and what becomes of the configuration."""

import copy
from typing import Any

import pytest

from pyrunc.errors import PyruncError
from pyrunc.service import amend, listen_fds, notify_address

CONFIG: dict[str, Any] = {
    "process": {"args": ["x"], "env": ["A=b", "LISTEN_FDS=7"]},
    "mounts": [{"destination": "/proc"}],
    "linux": {"namespaces": [{"type": "mount"}]},
}
MOUNT = {
    "destination": "/run/notify",
    "type": "bind",
    "source": "/state/c1/notify/shown",
    "options": ["bind", "nosuid", "noexec", "nodev", "ro"],
}


@pytest.mark.parametrize(
    ("environ", "count"),
    [
        ({}, 0),
        ({b"LISTEN_PID": b"5"}, 0),
        ({b"LISTEN_FDS": b"2"}, 0),
        ({b"LISTEN_FDS": b"2", b"LISTEN_PID": b"6"}, 0),
        ({b"LISTEN_FDS": b"2", b"LISTEN_PID": b"5 "}, 0),
        ({b"LISTEN_FDS": b"rubbish", b"LISTEN_PID": b"6"}, 0),
        ({b"LISTEN_FDS": b"", b"LISTEN_PID": b"5"}, 0),
        ({b"LISTEN_FDS": b"0", b"LISTEN_PID": b"5"}, 0),
        ({b"LISTEN_FDS": b"12", b"LISTEN_PID": b"5"}, 12),
    ],
)
def test_listen_fds(environ: dict[bytes, bytes], count: int) -> None:
    assert listen_fds(environ, 5) == count


@pytest.mark.parametrize("text", [b"-1", b"1 ", b"1_0", "٣".encode(), b"99999", b"0x3", b"\xff"])
def test_no_number(text: bytes) -> None:
    with pytest.raises(PyruncError, match=r"LISTEN_FDS: .* is not a number of descriptors"):
        listen_fds({b"LISTEN_FDS": text, b"LISTEN_PID": b"5"}, 5)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, None),
        ({b"NOTIFY_SOCKET": b""}, None),
        ({b"NOTIFY_SOCKET": b"/run/systemd/notify"}, "/run/systemd/notify"),
        ({b"NOTIFY_SOCKET": b"@/a\xff"}, "@/a\udcff"),
    ],
)
def test_notify_address(environ: dict[bytes, bytes], address: "str | None") -> None:
    assert notify_address(environ) == address


@pytest.mark.parametrize("text", [b"notify", b"vsock:2:1234", b"@", b"./x"])
def test_no_address(text: bytes) -> None:
    with pytest.raises(PyruncError, match=r"NOTIFY_SOCKET: .* is neither an absolute path nor @NAME"):
        notify_address({b"NOTIFY_SOCKET": text})


def test_amend() -> None:
    """The last of a variable counts, and the last mount is on top; what was given stays as it is."""
    before = copy.deepcopy(CONFIG)
    both = amend(CONFIG, 2, "/state/c1")
    assert before == CONFIG
    assert both["process"]["env"] == [
        *CONFIG["process"]["env"],
        "LISTEN_FDS=2",
        "LISTEN_PID=1",
        "NOTIFY_SOCKET=/run/notify/notify.sock",
    ]
    assert both["mounts"] == [*CONFIG["mounts"], MOUNT]
    assert amend(CONFIG, 2, "")["mounts"] == CONFIG["mounts"]
    assert amend(CONFIG, 0, "/n")["process"]["env"] == [
        *CONFIG["process"]["env"],
        "NOTIFY_SOCKET=/run/notify/notify.sock",
    ]


def test_amend_with_little() -> None:
    """Without a mount namespace there is no socket; without a process nothing to tell it."""
    assert amend({"process": {"args": []}}, 0, "/n") == {"process": {"args": []}}
    assert amend({"linux": None, "process": {"env": None}}, 1, "/n")["process"]["env"] == [
        "LISTEN_FDS=1",
        "LISTEN_PID=1",
    ]
    assert "process" not in amend({}, 1, "/n")
