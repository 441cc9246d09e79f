"""From argv to the container's methods, and from errors to what is printed.  The container is a stand-in."""

import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pyrunc import cli, log
from pyrunc.commands import help as help_command
from pyrunc.commands import list as list_command
from pyrunc.errors import ContainerNotFound, PyruncError
from pyrunc.options import COMMANDS

Captured = pytest.CaptureFixture[str]

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

    def start(self) -> None:
        self._call("start")

    def kill(self, *args: Any, **options: Any) -> None:
        self._call("kill", *args, **options)

    def delete(self, **options: Any) -> None:
        self._call("delete", **options)

    def state(self) -> Any:
        return self._call("state")

    def config(self) -> Any:
        return {"process": PROCESS}

    def exec(self, *args: Any, **options: Any) -> Any:
        return self._call("exec", *args, **options)


@pytest.fixture(autouse=True)
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    module = types.ModuleType("pyrunc.container")
    StandIn.calls, StandIn.answers = [], {}
    module.Container = StandIn  # type: ignore[attr-defined]
    module.list_containers = lambda root: StandIn._call("list", root)  # type: ignore[attr-defined]
    for name in [name for name in sys.modules if name.startswith("pyrunc.commands.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyrunc.container", module)
    # A test process has descriptors of its own, which must stay as they are.
    monkeypatch.setattr(cli, "_close_inherited", lambda preserved: StandIn.calls.append(("preserve", preserved)))
    yield StandIn
    for name in [name for name in sys.modules if name.startswith("pyrunc.commands.")]:
        del sys.modules[name]
    log.configure(None, "text", False)


def test_create(container: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv = "--root r create --bundle b --pid-file p --console-socket s --no-pivot --no-new-keyring --preserve-fds 2 c1"
    assert cli.main(argv.split()) == 0
    assert container.calls == [
        ("preserve", 2),
        (
            "create",
            (f"{tmp_path}/r", "c1", f"{tmp_path}/b"),
            {
                "pid_file": "p",
                "console_socket": "s",
                "no_pivot": True,
                "no_new_keyring": True,
                "preserve_fds": 2,
                "rootless": "auto",
            },
        ),
    ]


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


@pytest.mark.parametrize(
    ("argv", "call"),
    [
        ("start c1", ("start", (), {})),
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
        "preserve_fds": 0,
        "ignore_paused": False,
        "cgroup": [],
    }
    assert PROCESS["args"] == ["sh"]


def test_exec_options(container: type[StandIn]) -> None:
    argv = (
        "-t -d --cwd /tmp --env A=B -e C=D --user 1:2 -g 8 --additional-gids 9 --cap CAP_NET_RAW --apparmor a "
        "--process-label u:r:t:s0 --no-new-privs=false --pid-file p --console-socket s --preserve-fds 1 "
        "--ignore-paused --cgroup cpu:/x --cgroup y c1 ls"
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
        (["checkpoint", "--help"], 1, "pyrunc checkpoint failed: the command checkpoint is not supported"),
        (["--log-format", "xml", "list"], 1, "invalid log-format: xml"),
        (["--log", "/nonexistent/x", "list"], 1, "open /nonexistent/x: no such file or directory"),
        (["--rootless", "maybe", "list"], 1, 'invalid value "maybe" for flag -rootless: true, false or auto'),
        (["--root=", "list"], 1, "flag needs an argument: -root"),
        (["--nosuch"], 1, "flag provided but not defined: -nosuch"),
    ],
)
def test_what_is_refused(argv: list[str], status: int, error: str, capfd: Captured) -> None:
    assert cli.main(argv) == status
    assert capfd.readouterr().err.split("\n")[0] == error


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd runs here")
def test_systemd_cgroup_without_systemd(container: type[StandIn], capfd: Captured) -> None:
    assert cli.main(["--systemd-cgroup", "create", "c1"]) == 1
    message = "pyrunc create failed: c1: systemd not running on this host, cannot use systemd cgroups manager\n"
    assert capfd.readouterr().err == message
    assert cli.main(["--systemd-cgroup", "start", "c1"]) == 0


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
        assert all(f"\n  {name} " in out for name in COMMANDS)
        assert "--criu" not in out
    for name, command in COMMANDS.items():
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
