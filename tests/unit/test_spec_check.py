"""check_config and its relatives: the corpus passes, and a bad configuration is explained whole."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyrunc.errors import ConfigError
from pyrunc.spec import report, rules
from pyrunc.spec.check import check_config, check_process, check_resources
from pyrunc.spec.default import default_config
from pyrunc.spec.load import load_file

CHECKOUT = Path(__file__).parent.parent.parent
CORPUS = sorted((CHECKOUT / "tests/corpus").glob("*.json"))
CHECKS = {"process": check_process, "resources": check_resources}
# podman 4.3.1 swaps soft and hard limits here: the kernel would say EINVAL, so we say it before anything is made.
REFUSED = {
    "podman-play-kube": "config.json has 2 problems:\n"
    "/process/rlimits/0: RLIMIT_NOFILE: soft limit 20000 is above hard limit 1024: invalid argument\n"
    "/process/rlimits/1: RLIMIT_NPROC: soft limit 32768 is above hard limit 1024: invalid argument"
}


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_corpus(file: Path) -> None:
    value = load_file(str(file))
    check = CHECKS.get(file.stem.rpartition("-")[2], check_config)
    if file.stem in REFUSED:
        with pytest.raises(ConfigError) as caught:
            check(value)
        assert str(caught.value) == REFUSED[file.stem]
    else:
        check(value)
        if check is check_config:
            assert rules.warnings(value) == []


def broken(**changes: Any) -> Any:
    config: Any = copy.deepcopy(default_config())
    config.update(changes)
    return config


def problems_of(config: Any) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        check_config(config)
    return caught.value.problems


def test_one_problem_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(broken(hostname=5))
    assert str(caught.value) == "config.json: /hostname: must be a string, not 5"


def test_every_problem_is_listed() -> None:
    """Schema and rules together; a rule adds nothing below what the schema complained about."""
    config = broken(hostname=5, mounts=[{"destination": ""}, {"type": "tmpfs"}])
    del config["root"]
    config["process"].update(
        cwd="tmp", args=[], oomScoreAdj=1.0, rlimits=[{"type": "RLIMIT_X", "soft": -1, "hard": "x"}]
    )
    config["linux"]["namespaces"] += [{"type": "mount"}, {"type": "uts", "path": 5}]
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALOW", "defaultErrnoRet": True}
    config["linux"]["intelRdt"] = {"closID": "mon_data"}
    assert problems_of(config) == [
        ("/hostname", "must be a string, not 5"),
        ("/linux/namespaces/6/path", "must be a string, not 5"),
        (
            "/linux/seccomp/defaultAction",
            'must be one of SCMP_ACT_ALLOW, SCMP_ACT_LOG, SCMP_ACT_TRAP, ..., not "SCMP_ACT_ALOW"',
        ),
        ("/linux/seccomp/defaultErrnoRet", "must be a whole number, not true"),
        ("/mounts/1/destination", "is required"),
        ("/process/args", "must have at least one entry"),
        ("/process/oomScoreAdj", "must be a whole number, not 1.0"),
        ("/process/rlimits/0/hard", 'must be a whole number, not "x"'),
        ("/process/rlimits/0/soft", "must be from 0 to 18446744073709551615, not -1"),
        (
            "/process/rlimits/0/type",
            'must be one of RLIMIT_AS, RLIMIT_RSS, RLIMIT_CPU, ..., not "RLIMIT_X"',
        ),
        ("/root", "is required"),
        ("/mounts/0/destination", "must not be empty"),
        ("/process/cwd", "must be an absolute path, not 'tmp'"),
        ("/linux/namespaces/5/type", "the mount namespace is listed twice"),
        ("/linux/namespaces/6/type", "the uts namespace is listed twice"),
        ("/linux/intelRdt/closID", "must be the name of a directory, or \"/\", not 'mon_data'"),
    ]


@pytest.mark.parametrize("value", [None, 5, [], "x", {}, {"process": 5}, {"linux": []}, {"mounts": {"a": 1}}], ids=repr)
def test_nothing_like_a_config(value: Any) -> None:
    assert problems_of(value)


def test_unknown_properties_and_other_systems_are_ignored() -> None:
    config = broken(windows=5, solaris=[], vm="x", zos=None, freebsd=1, future={"a": 1})
    config["linux"]["future"] = config["process"]["user"]["username"] = 5
    check_config(config)


def test_process_and_resources() -> None:
    check_process({"args": ["sh"], "cwd": "/"})
    check_resources({})
    with pytest.raises(ConfigError) as caught:
        check_process({"args": ["sh"], "cwd": "x"})
    assert str(caught.value) == "process.json: /cwd: must be an absolute path, not 'x'"
    with pytest.raises(ConfigError) as caught:
        check_process({"cwd": 5})
    assert str(caught.value) == "process.json has 2 problems:\n/args: is required\n/cwd: must be a string, not 5"
    with pytest.raises(ConfigError) as caught:
        check_resources({"unified": {"../x": "1"}, "cpu": {"shares": -1}})
    assert caught.value.problems == [
        ("/cpu/shares", "must be from 0 to 18446744073709551615, not -1"),
        ("/unified/..~1x", "'../x' is no name of a cgroup file"),
    ]


def test_without_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is still named."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert problems_of(broken(hostname=5)) == [
        ("/hostname", "is not as the schema says (install jsonschema for a full report)")
    ]


def test_a_good_configuration_imports_nothing_slow() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(CHECKOUT)!r})
from pyrunc.spec.check import check_config
from pyrunc.spec.load import load_file
check_config(load_file({str(CHECKOUT / "tests/corpus/docker-run-default.json")!r}))
slow = {{"json", "re", "enum", "typing", "functools", "collections", "jsonschema", "pyrunc.spec.report"}}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


GOOD_STATE = {
    "ociVersion": "1.3.0",
    "id": "a",
    "status": "running",
    "pid": 5,
    "bundle": "/b",
    "annotations": {"a": "b"},
}
BAD_STATES = ({"status": "starting"}, {"pid": -1}, {"bundle": ""}, {"id": ""}, {"annotations": {"a": 1}}, {"pid": 1.0})


def test_state_schema() -> None:
    validator = report.validator("state")
    assert validator.is_valid(GOOD_STATE)
    assert validator.is_valid({**GOOD_STATE, "owner": "root"})
    for change in BAD_STATES:
        assert not validator.is_valid(GOOD_STATE | change), change
    for key in ("ociVersion", "id", "status", "bundle"):
        assert not validator.is_valid({name: value for name, value in GOOD_STATE.items() if name != key}), key


def test_features_schema() -> None:
    validator = report.validator("features")
    features: Any = {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.3.0",
        "hooks": ["prestart", "poststop"],
        "linux": {"namespaces": ["time"], "seccomp": {"enabled": True, "actions": ["SCMP_ACT_LOG"]}},
    }
    assert validator.is_valid(features)
    assert not validator.is_valid({"ociVersionMin": "1.0.0"})
    assert not validator.is_valid(features | {"hooks": ["prestop"]})
    assert not validator.is_valid(features | {"linux": {"cgroup": {"v2": "yes"}}})


def test_features_of_runc() -> None:
    """What another runtime prints is valid by our schema too."""
    try:
        features = subprocess.run(["runc", "features"], capture_output=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no runc with the features command is installed")
    assert report.validator("features").is_valid(json.loads(features))
