"""validate: all problems, warnings about this host, and both forms of the report."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrunc import cli, host
from pyrunc.facts import HostFacts, read_facts
from pyrunc.security.capabilities import ALL
from pyrunc.spec.default import default_config
from pyrunc.validation import Report, pointer_of, validate
from tests.support import corpus

Config = dict[str, Any]
Write = Callable[[Config], Path]


@pytest.fixture
def config() -> Config:
    """The default configuration without what an ordinary user lacks."""
    made: Config = json.loads(json.dumps(default_config()))
    made["process"].pop("rlimits", None)
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> Write:
    (tmp_path / "rootfs").mkdir()

    def write(config: Config) -> Path:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return write


def found(report: Report) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    return report.problems, report.warnings


def facts(permitted: int = ALL, privileged: bool = True) -> HostFacts:
    return HostFacts(read_facts().cgroup, privileged, 40, permitted, permitted)


def test_a_good_one(bundle: Write, config: Config) -> None:
    assert validate(str(bundle(config)), "false").problems == []


def test_systemds_driver(bundle: Write, config: Config) -> None:
    """Its names and annotations, whether there is a systemd to ask or not."""
    config["linux"]["cgroupsPath"] = "system.slice:test:x"
    assert validate(str(bundle(config)), "false", systemd_cgroup=True).problems == []
    config["annotations"] = {"org.systemd.property.ExecStop": "[]"}
    problems = validate(str(bundle(config)), "false", systemd_cgroup=True).problems
    assert [pointer for pointer, _ in problems] == ["/annotations/org.systemd.property.ExecStop"]
    config["linux"]["cgroupsPath"] = "/test"
    problems = validate(str(bundle(config)), "false", systemd_cgroup=True).problems
    assert [pointer for pointer, _ in problems] == ["/linux/cgroupsPath"]
    assert validate(str(bundle(config)), "false").problems == []


@pytest.mark.parametrize("name", corpus.names())
def test_what_engines_write_has_no_problems(name: str, bundle: Write) -> None:
    """Of the engines' own configurations only the root filesystem is missing here."""
    report = validate(str(bundle(corpus.load(name))))
    known = {"/root/path"}
    if name == "podman-play-kube.json":  # this podman swaps soft and hard limits
        known |= {"/process/rlimits/0", "/process/rlimits/1"}
    assert {pointer for pointer, _ in report.problems} <= known


def test_every_problem_at_once(bundle: Write, config: Config) -> None:
    config["process"].update(cwd="tmp", args=[1])
    config["root"]["path"] = "nowhere"
    config["linux"]["namespaces"].append({"type": "moon"})
    folder = bundle(config)
    assert [pointer for pointer, _ in validate(str(folder)).problems] == [
        f"/linux/namespaces/{len(config['linux']['namespaces']) - 1}/type",
        "/process/args/0",
        "/process/cwd",
        "/root/path",
    ]


def test_mounts_are_looked_at_one_by_one(bundle: Write, config: Config) -> None:
    config["mounts"] += [
        {"destination": "/a", "source": "/etc"},
        {"destination": "/b", "type": "nowherefs", "source": "none"},
        {"destination": "/c", "type": "bind", "source": "/nowhere"},
        {"destination": "/d", "type": "ext4", "options": ["tmpcopyup"]},
    ]
    first = len(config["mounts"]) - 4
    problems, warnings = found(validate(str(bundle(config)), "false"))
    assert problems == [
        (f"/mounts/{first}", "a mount that is not a bind needs a type"),
        (f"/mounts/{first + 3}", "tmpcopyup is only possible with tmpfs, not ext4"),
    ]
    assert (
        f"/mounts/{first + 1}/type",
        "this kernel has no file system nowherefs, unless it is in a module",
    ) in warnings
    assert (f"/mounts/{first + 2}/source", "/nowhere: no such file or directory") in warnings


def test_what_the_host_lacks(bundle: Write, config: Config) -> None:
    config["hooks"] = {
        "createRuntime": [{"path": "/nowhere/hook"}, {"path": "/etc/passwd"}, {"path": "/bin/sh"}],
        "startContainer": [{"path": "/only/in/the/container"}],
    }
    config["linux"]["sysctl"] = {"net.nowhere": "1", "net.ipv4.conf.eth7.forwarding": "1", "net.ipv4.ip_forward": "1"}
    config["linux"]["namespaces"].append({"type": "user", "path": "/nowhere/ns"})
    problems, warnings = found(validate(str(bundle(config)), "false"))
    assert problems == []
    index = len(config["linux"]["namespaces"]) - 1
    wanted = {
        ("/hooks/createRuntime/0/path", "/nowhere/hook: no such file or directory"),
        ("/hooks/createRuntime/1/path", "/etc/passwd: cannot be executed"),
        ("/linux/sysctl/net.nowhere", "this kernel has no such sysctl"),
        (f"/linux/namespaces/{index}/path", "/nowhere/ns: no such file or directory"),
    }
    assert wanted <= set(warnings)
    assert not {"/hooks/createRuntime/2/path", "/hooks/startContainer/0/path", "/linux/sysctl/net.ipv4.ip_forward"} & {
        pointer for pointer, _ in warnings
    }


def test_resources_are_looked_at_one_by_one(bundle: Write, config: Config) -> None:
    """On either version something is not to be had."""
    config["linux"]["resources"] = {
        "unified": {"memory.high": "5"},
        "network": {"classID": 5},
        "pids": {"limit": 5},
    }
    report = validate(str(bundle(config)), "false")
    assert report.problems == []
    version = read_facts().cgroup.version
    wanted = "/linux/resources/unified" if version == 1 else "/linux/resources/network/classID"
    assert wanted in [pointer for pointer, _ in report.warnings]


def test_a_system_call_that_nobody_knows(bundle: Write, config: Config) -> None:
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["no_such_call", "read"], "action": "SCMP_ACT_ERRNO"}],
    }
    problems, warnings = found(validate(str(bundle(config)), "false"))
    assert problems == []
    assert any(pointer == "/linux/seccomp" and "no_such_call" in message for pointer, message in warnings)


def test_limits_that_only_a_capability_raises(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.resource, "getrlimit", lambda number: (10, 100))
    config["process"].update(
        rlimits=[
            {"type": "RLIMIT_NPROC", "soft": 1, "hard": 101},
            {"type": "RLIMIT_CORE", "soft": 1, "hard": 100},
            {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2**64 - 1},
        ],
        oomScoreAdj=-1000,
    )
    nofile = "/process/rlimits/2/hard"
    pointers = [pointer for pointer, _ in host.limits(config, facts(permitted=0))]
    assert pointers == ["/process/rlimits/0/hard", nofile, nofile, "/process/oomScoreAdj"]
    assert [pointer for pointer, _ in host.limits(config, facts())] == [nofile]


def test_an_ordinary_user_needs_a_user_namespace(config: Config) -> None:
    [(pointer, message)] = host.users(config, facts(privileged=False))
    assert pointer == "/linux/namespaces"
    assert message.startswith("rootless container requires user namespaces: add ")
    assert list(host.users(config, facts())) == []
    config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        config["linux"][kind] = [{"containerID": 0, "hostID": 1000, "size": 10}]
    assert list(host.users(config, facts(privileged=False))) == []


def test_without_a_process(bundle: Write, config: Config) -> None:
    """The specification allows it, `create` cannot do with it."""
    del config["process"]
    problems, warnings = found(validate(str(bundle(config)), "false"))
    assert problems == []
    assert ("/process", "there is no process: create works, start and run fail") in warnings


@pytest.mark.parametrize(
    ("place", "pointer"),
    [
        ("", ""),
        ("process", "/process"),
        ("mounts[3] (/a.b/c[1])", "/mounts/3"),
        ("linux.resources.blockIO.weightDevice[2]", "/linux/resources/blockIO/weightDevice/2"),
        ("linux.resources.unified['memory.high']", "/linux/resources/unified/memory.high"),
        ('linux.resources.unified["a\'b"]', "/linux/resources/unified/a'b"),
        ("linux.namespaces[0] (pid)", "/linux/namespaces/0"),
    ],
)
def test_places_become_pointers(place: str, pointer: str) -> None:
    assert pointer_of(place) == pointer


def test_the_text(bundle: Write, config: Config, capfd: pytest.CaptureFixture[str]) -> None:
    config["process"]["cwd"] = "tmp"
    folder = bundle(config)
    assert cli.main(["validate", str(folder)]) == 1
    assert capfd.readouterr() == (
        f"error: /process/cwd: must be an absolute path, not 'tmp'\n{folder}: not valid (1 problem, no warnings)\n",
        "",
    )
    config["process"]["cwd"] = "/"
    config["mounts"].append({"destination": "/x", "type": "bind", "source": "/nowhere"})
    assert cli.main(["--rootless=false", "validate", str(bundle(config))]) == 0
    out, err = capfd.readouterr()
    index = len(config["mounts"]) - 1
    assert f"warning: /mounts/{index}/source: /nowhere: no such file or directory\n" in out
    assert out.splitlines()[-1].startswith(f"{folder}: valid (no problems, ")
    assert err == ""


def test_the_text_writes_nothing_else_on_the_terminal(
    bundle: Write, config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bundle that is validated may be anybody's."""
    config["linux"]["sysctl"] = {"a\x1b]0;title\x07": "1"}
    assert cli.main(["validate", str(bundle(config))]) == 1
    assert "error: /linux/sysctl/a\\x1b]0;title\\x07: is not the name" in capfd.readouterr().out


def test_the_json(
    bundle: Write, config: Config, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config["process"]["cwd"] = "tmp"
    folder = bundle(config)
    monkeypatch.chdir(folder)
    assert cli.main(["validate", "--format", "json", "."]) == 1
    report = json.loads(capfd.readouterr().out)
    assert report == {
        "bundle": os.path.realpath(folder),
        "valid": False,
        "problems": [{"pointer": "/process/cwd", "message": "must be an absolute path, not 'tmp'"}],
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "JSON specification file config.json not found"),
        ("[]", "config.json: must hold a JSON object"),
        ('{"a": 1, "a": 2}', "config.json: line 1, column"),
    ],
)
def test_what_cannot_be_read(text: str | None, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert cli.main(["validate", "-f", "json", str(tmp_path)]) == 1
    (problem,) = json.loads(capfd.readouterr().out)["problems"]
    assert problem["pointer"] == ""
    assert message in problem["message"]


def test_devices_and_groups_that_this_host_does_not_have() -> None:
    config: Config = {"linux": {"netDevices": {"lo": {}, "pyrunc-test-no": {}}, "intelRdt": {}}}
    assert list(host.network_devices(config, facts())) == [
        ("/linux/netDevices/pyrunc-test-no", "there is no such device")
    ]
    assert len(list(host.network_devices(config, facts(privileged=False)))) == 2
    if "resctrl" not in Path("/proc/self/mountinfo").read_text():
        assert list(host.resctrl(config, facts())) == [("/linux/intelRdt", "no resctrl file system is mounted")]
    assert list(host.resctrl({}, facts())) == list(host.network_devices({}, facts())) == []
