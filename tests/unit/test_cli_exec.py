"""pyrunc exec: the process that its options make."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cli
from tests.support.stand_in import PROCESS, StandIn, in_place_of_container

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    with in_place_of_container(monkeypatch) as stand_in:
        yield stand_in


def executed(container: type[StandIn], *argv: str, status: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    container.answers["exec"] = status
    assert cli.main(["exec", *argv]) == status
    name, args, options = container.calls[-1]
    assert name == "exec"
    return args[0], options


def test_exec_starts_from_the_containers_process(container: type[StandIn]) -> None:
    process, options = executed(container, "c1", "ls", "-l", status=3)
    assert process == {**PROCESS, "args": ["ls", "-l"], "terminal": False}
    assert options == {
        "detach": False,
        "pid_file": None,
        "console_socket": None,
        "pidfd_socket": None,
        "preserve_fds": 0,
        "ignore_paused": False,
        "cgroup": [],
    }
    assert PROCESS["args"] == ["sh"]


def test_exec_options(container: type[StandIn]) -> None:
    argv = (
        "-t -d --cwd /tmp --env A=B -e C=D --user 1:2 -g 8 --additional-gids 9 --cap CAP_NET_RAW --apparmor a "
        "--process-label u:r:t:s0 --no-new-privs=false --pid-file p --console-socket s --preserve-fds 1 "
        "--pidfd-socket f --ignore-paused --cgroup cpu:/x --cgroup y c1 ls"
    )
    process, options = executed(container, *argv.split())
    assert process["terminal"]
    assert process["cwd"] == "/tmp"
    assert process["env"] == ["PATH=/bin", "A=B", "C=D"]
    assert process["user"] == {"uid": 1, "gid": 2, "additionalGids": [7, 8, 9]}
    assert process["capabilities"]["bounding"] == ["CAP_KILL", "CAP_NET_RAW"]
    assert process["capabilities"]["effective"] == ["CAP_NET_RAW"]
    assert process["capabilities"]["inheritable"] == []
    assert process["apparmorProfile"] == "a"
    assert process["selinuxLabel"] == "u:r:t:s0"
    assert process["noNewPrivileges"] is False
    assert options == {
        "detach": True,
        "pid_file": "p",
        "console_socket": "s",
        "pidfd_socket": "f",
        "preserve_fds": 1,
        "ignore_paused": True,
        "cgroup": ["cpu:/x", "y"],
    }
    assert container.calls[0] == ("preserve", 1)


def test_exec_user_without_a_group_keeps_it(container: type[StandIn]) -> None:
    assert executed(container, "-u", "0", "c1", "ls")[0]["user"] == {"uid": 0, "gid": 6, "additionalGids": [7]}


def test_exec_process_file(container: type[StandIn], tmp_path: Path) -> None:
    file = tmp_path / "process.json"
    whole = {"terminal": False, "user": {"uid": 1, "gid": 1}, "args": ["id"], "cwd": "/"}
    file.write_text(json.dumps(whole))
    assert executed(container, "--process", str(file), "--detach", "c1") == (
        whole,
        {
            "detach": True,
            "pid_file": None,
            "console_socket": None,
            "pidfd_socket": None,
            "preserve_fds": 0,
            "ignore_paused": False,
            "cgroup": [],
        },
    )
    assert executed(container, "--process", str(file), "--tty", "c1")[0]["terminal"] is True


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["c1"], "process args cannot be empty"),
        (["--process", "f", "c1", "ls"], "a command and --process exclude each other"),
        (["--process", "f", "--cwd", "/", "c1"], "option --cwd and --process exclude each other"),
        (["--user", "root", "c1", "ls"], 'invalid user "root"'),
        (["--user", "4294967295", "c1", "ls"], 'invalid user "4294967295"'),
        (["-g", "-1", "c1", "ls"], 'invalid group "-1"'),
        (["--cap", "NET_RAW", "c1", "ls"], 'unknown capability "NET_RAW"'),
        (["--cwd", "tmp", "c1", "ls"], "process.json: /cwd: "),
    ],
)
def test_exec_errors_end_with_255(container: type[StandIn], argv: list[str], message: str, capfd: Captured) -> None:
    assert cli.main(["exec", *argv]) == 255
    assert capfd.readouterr().err.startswith(f"pyrunc exec failed: c1: {message}")
    assert "exec" not in [call[0] for call in container.calls]


def test_exec_usage_errors_end_with_1(capfd: Captured) -> None:
    assert cli.main(["exec"]) == 1
    assert capfd.readouterr().err.startswith('pyrunc: "exec" requires a minimum of 1 argument(s)\n')
