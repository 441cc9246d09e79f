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
