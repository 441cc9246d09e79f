"""From argv to the container's methods, and from errors to what is printed.  The container is a stand-in."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cli
from pyrunc.commands import help as help_command
from pyrunc.commands import list as list_command
from pyrunc.errors import ContainerNotFound, PyruncError
from pyrunc.options import all_commands
from tests.support.stand_in import StandIn, in_place_of_container

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    with in_place_of_container(monkeypatch) as stand_in:
        yield stand_in


def test_create(container: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv = "--root r --systemd-cgroup create --bundle b --pid-file p --console-socket s --no-pivot --no-new-keyring "
    argv += "--preserve-fds 2 --pidfd-socket f c1"
    assert cli.main(argv.split()) == 0
    assert container.calls == [
        ("preserve", 2),
        (
            "create",
            (f"{tmp_path}/r", "c1", f"{tmp_path}/b"),
            {
                "pid_file": "p",
                "console_socket": "s",
                "pidfd_socket": "f",
                "listen_fds": 0,
                "notify_socket": None,
                "no_pivot": True,
                "no_new_keyring": True,
                "preserve_fds": 2,
                "rootless": "auto",
                "systemd_cgroup": True,
                "no_cgroups": False,
                "config": None,
                "hold": False,
            },
        ),
    ]


@pytest.mark.parametrize(
    ("argv", "systemd", "none"),
    [
        ("--cgroup-manager cgroupfs", False, False),
        ("--cgroup-manager=systemd", True, False),
        ("--cgroup-manager=disabled", False, True),
        ("--systemd-cgroup --cgroup-manager cgroupfs", False, False),
    ],
)
def test_cgroup_manager(argv: str, systemd: bool, none: bool, container: type[StandIn]) -> None:
    for command in ("create", "run"):
        container.answers["run"] = 0
        assert cli.main([*argv.split(), command, "--bundle", "/b", "--config", "other.json", "c1"]) == 0
        options = container.calls[-1][2]
        assert (options["systemd_cgroup"], options["no_cgroups"], options["config"]) == (systemd, none, "other.json")


def test_run_waits_as_a_subreaper(container: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    adopted: list[bool] = []
    monkeypatch.setattr("pyrunc.foreground.become_subreaper", lambda: adopted.append(True))
    container.answers["run"] = 0
    assert cli.main(["run", "--bundle", "/b", "c1"]) == 0
    assert (container.calls[-1][2]["reap_orphans"], adopted) == (True, [True])
    assert cli.main(["run", "--bundle", "/b", "--no-subreaper", "c1"]) == 0
    assert (container.calls[-1][2]["reap_orphans"], adopted) == (False, [True])


def test_create_takes_the_current_directory(
    container: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["create", "c1"]) == 0
    assert container.calls[1][1][2] == str(tmp_path)


def test_run_returns_the_processs_status(container: type[StandIn]) -> None:
    container.answers["run"] = 137
    assert cli.main("--root /r --rootless=false run -d --keep -no-subreaper --bundle /b c1".split()) == 137
    name, args, options = container.calls[1]
    assert (name, args) == ("run", ("/r", "c1", "/b"))
    assert options["detach"]
    assert options["keep"]
    assert not options["reap_orphans"]
    assert options["rootless"] == "false"
    assert options["pid_file"] is None
    assert options["systemd_cgroup"] is False


@pytest.mark.parametrize(
    ("argv", "call"),
    [
        ("start c1", ("start", (None,), {})),
        ("kill c1", ("kill", (15,), {"all": False})),
        ("kill c1 9", ("kill", (9,), {"all": False})),
        ("kill --all c1 0", ("kill", (0,), {"all": True})),
        ("kill c1 hup -a", ("kill", (1,), {"all": True})),
        ("kill c1 SIGKILL", ("kill", (9,), {"all": False})),
        ("kill c1 RTMIN", ("kill", (34,), {"all": False})),
        ("kill c1 SIGRTMIN+3", ("kill", (37,), {"all": False})),
        ("kill c1 RTMAX-1", ("kill", (63,), {"all": False})),
        ("kill c1 SYS", ("kill", (31,), {"all": False})),
        ("kill c1 POLL", ("kill", (29,), {"all": False})),
        ("delete c1", ("delete", (), {"force": False})),
        ("delete -f c1", ("delete", (), {"force": True})),
        ("pause c1", ("pause", (), {})),
        ("resume c1", ("resume", (), {})),
    ],
)
def test_short_commands_print_nothing(
    container: type[StandIn], argv: str, call: tuple[Any, ...], capfd: Captured
) -> None:
    assert cli.main(["--root", "/r", *argv.split()]) == 0
    assert [made for made in container.calls if made[0] != "preserve"] == [("load", ("/r", "c1"), {}), call]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("signal", ["65", "-1", "999", "NOSUCH", "SIG", "", "9x", "RTMIN+31", "RTMAX-31", "RTMIN-1"])
def test_unknown_signals(container: type[StandIn], signal: str, capfd: Captured) -> None:
    assert cli.main(["kill", "c1", "--", signal]) == 1
    assert capfd.readouterr().err.startswith(f'pyrunc kill failed: c1: unknown signal "{signal}"\n')
    assert [call[0] for call in container.calls] == ["load"]


def test_delete_of_an_absent_container(container: type[StandIn], capfd: Captured) -> None:
    container.answers["load"] = ContainerNotFound("container does not exist")
    assert cli.main(["delete", "--force", "c1"]) == 0
    assert capfd.readouterr().err == ""
    assert cli.main(["delete", "c1"]) == 1
    assert capfd.readouterr().err == "pyrunc delete failed: c1: container does not exist\n"


def test_state(container: type[StandIn], capfd: Captured) -> None:
    container.answers["state"] = {"ociVersion": "1.3.0", "id": "c1", "pid": 7}
    assert cli.main(["state", "c1"]) == 0
    assert capfd.readouterr().out == '{\n  "ociVersion": "1.3.0",\n  "id": "c1",\n  "pid": 7\n}\n'


CONTAINERS = [
    {"id": "c1", "pid": 7, "status": "running", "bundle": "/a/long/bundle", "created": "2026-01-01", "owner": "root"},
    {"id": "c2", "pid": 0, "status": "stopped", "bundle": "/b", "created": "2026-01-02", "owner": "root"},
]


def test_list(container: type[StandIn], capfd: Captured) -> None:
    container.answers["list"] = CONTAINERS
    assert cli.main(["list"]) == 0
    assert capfd.readouterr().out == (
        "ID          PID         STATUS      BUNDLE           CREATED      OWNER\n"
        "c1          7           running     /a/long/bundle   2026-01-01   root\n"
        "c2          0           stopped     /b               2026-01-02   root\n"
    )
    assert cli.main(["list", "-q"]) == 0
    assert capfd.readouterr().out == "c1\nc2\n"
    assert cli.main(["list", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == CONTAINERS
    assert cli.main(["list", "--format=xml"]) == 1
    assert capfd.readouterr().err.startswith("pyrunc list failed: invalid format option\n")


def test_list_of_nothing(container: type[StandIn], capfd: Captured) -> None:
    container.answers["list"] = []
    assert cli.main(["list"]) == 0
    assert capfd.readouterr().out == "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    assert cli.main(["list", "-f", "json"]) == 0
    assert capfd.readouterr().out == "null\n"


def test_columns_keep_their_distance() -> None:
    assert list_command.format_table([["A" * 12, "B"], ["C", "D"]]) == "AAAAAAAAAAAA   B\nC              D\n"


def test_spec(tmp_path: Path, capfd: Captured) -> None:
    assert cli.main(["spec", "--bundle", str(tmp_path)]) == 0
    text = (tmp_path / "config.json").read_text()
    assert text.startswith('{\n\t"ociVersion": "')
    assert json.loads(text)["process"]["args"] == ["sh"]
    assert cli.main(["spec", "-b", str(tmp_path), "--rootless"]) == 1
    assert capfd.readouterr().err == "pyrunc spec failed: File config.json exists. Remove it first\n"
    assert (tmp_path / "config.json").read_text() == text
    assert cli.main(["spec", "--bundle", str(tmp_path / "absent")]) == 1
    assert capfd.readouterr().err.endswith(": no such file or directory\n")


def test_an_error_is_logged_once(container: type[StandIn], tmp_path: Path, capfd: Captured) -> None:
    error = PyruncError("no such file or directory", operation="bind /x", place="mounts[0] (/y)", hint="make it")
    container.answers["create"] = error
    argv = ["--log", str(tmp_path / "log"), "--log-format", "json", "create", "-b", str(tmp_path), "c1"]
    assert cli.main(argv) == 1
    message = "pyrunc create failed: c1: mounts[0] (/y): bind /x: no such file or directory"
    assert json.loads((tmp_path / "log").read_text())["msg"] == message
    assert capfd.readouterr().err == f"{message}\nhint: make it\n"


def test_usage_errors_are_logged_too(tmp_path: Path) -> None:
    assert cli.main(["--log", str(tmp_path / "log"), "--log-format=json", "create", "--nosuch"]) == 1
    assert json.loads((tmp_path / "log").read_text())["msg"] == "flag provided but not defined: -nosuch"


def test_a_bug_is_one_line_without_debug(container: type[StandIn], capfd: Captured) -> None:
    container.answers["start"] = ZeroDivisionError("division by zero")
    assert cli.main(["start", "c1"]) == 1
    assert capfd.readouterr().err == (
        "pyrunc start failed: c1: internal error: ZeroDivisionError: division by zero\n"
        "hint: this is a bug in pyrunc; --debug shows where\n"
    )
    assert cli.main(["--debug", "start", "c1"]) == 1
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_a_stray_system_error_keeps_its_path(container: type[StandIn], capfd: Captured) -> None:
    container.answers["start"] = PermissionError(13, "Permission denied", "/x")
    assert cli.main(["start", "c1"]) == 1
    assert capfd.readouterr().err == "pyrunc start failed: c1: internal error: /x: permission denied\n"


def test_interrupted(container: type[StandIn], capfd: Captured) -> None:
    container.answers["run"] = KeyboardInterrupt()
    assert cli.main(["run", "-b", "/b", "c1"]) == 130
    assert capfd.readouterr().err == "pyrunc run failed: c1: interrupted\n"


@pytest.mark.parametrize(
    ("argv", "status", "error"),
    [
        (["nosuch"], 3, "No help topic for 'nosuch'"),
        (["help", "nosuch"], 3, "No help topic for 'nosuch'"),
        (["-"], 3, "No help topic for '-'"),
        (["--log-format", "xml", "list"], 1, "invalid log-format: xml"),
        (["--log-level", "loud", "list"], 1, "invalid log-level: loud"),
        (["--cgroup-manager", "x", "create", "c1"], 1, "pyrunc create failed: c1: unknown cgroup manager: x"),
        (["--log", "/nonexistent/x", "list"], 1, "open /nonexistent/x: no such file or directory"),
        (["--rootless", "maybe", "list"], 1, 'invalid value "maybe" for flag -rootless: true, false or auto'),
        (["--root=", "list"], 1, "flag needs an argument: -root"),
        (["--nosuch"], 1, "flag provided but not defined: -nosuch"),
    ],
)
def test_what_is_refused(argv: list[str], status: int, error: str, capfd: Captured) -> None:
    assert cli.main(argv) == status
    assert capfd.readouterr().err.split("\n")[0] == error


def test_version(capfd: Captured) -> None:
    for argv in (["--version"], ["-v"], ["-v", "list"]):
        assert cli.main(argv) == 0
        lines = capfd.readouterr().out.splitlines()
        assert lines[0].startswith("pyrunc version ")
        assert "spec: 1.3.0" in lines
        # dockerd takes every line with that word for the version.
        assert sum("version" in line for line in lines) == 1


def test_help_names_everything_that_is_supported(capfd: Captured) -> None:
    for argv in ([], ["--help"], ["help"], ["h"], ["-h", "list"]):
        assert cli.main(argv) == 0
        out = capfd.readouterr().out
        assert all(f"\n  {name} " in out for name in all_commands())
        assert "--criu FILE" in out
    for name, command in all_commands().items():
        out = help_command.command_text(name)
        assert cli.main([name, "--help"]) == 0
        assert capfd.readouterr().out == out
        assert out.startswith(f"usage: pyrunc {name} [options]")
        for option in command.options:
            assert (f"--{option.name}" in out) == option.supported
        assert cli.main(["help", name]) == 0
        assert capfd.readouterr().out == out


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    saved = os.dup(1)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    try:
        assert cli.main(["--version"]) == 1
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(full)
    assert capfd.readouterr().err == "write stdout: no space left on device\n"
