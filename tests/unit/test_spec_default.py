"""The configuration of `pyrunc spec`, against the one of `runc spec`."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pyrunc import fastjson
from pyrunc.cgroups import detect
from pyrunc.spec.check import check_config
from pyrunc.spec.default import default_config

# What differs from runc 1.1.5: it writes the version it was built for.
DIFFERENCES = {"ociVersion": "1.3.0"}


@pytest.mark.skipif(not shutil.which("runc"), reason="runc is not installed")
@pytest.mark.parametrize("rootless", [False, True])
def test_same_as_runc(tmp_path: Path, rootless: bool) -> None:
    subprocess.run(["runc", "spec", *(["--rootless"] if rootless else [])], cwd=tmp_path, check=True)
    text = (tmp_path / "config.json").read_text()
    theirs = json.loads(text) | DIFFERENCES
    ours = default_config(rootless, cgroup2=detect().version == 2)
    assert ours == theirs
    # Written with tabs it is the same text, so that people can compare the two.
    old = json.loads(text)["ociVersion"]
    assert fastjson.dumps(ours, indent="\t") == text.strip().replace(f'"{old}"', '"1.3.0"', 1)


@pytest.mark.parametrize("rootless", [False, True])
def test_valid_without_inheritable_capabilities(rootless: bool) -> None:
    config = default_config(rootless)
    check_config(config)
    assert "inheritable" not in config["process"]["capabilities"]


@pytest.mark.parametrize("rootless", [False, True])
def test_cgroup2_adds_a_namespace_and_nothing_else(rootless: bool) -> None:
    plain, config = default_config(rootless), default_config(rootless, cgroup2=True)
    check_config(config)
    assert {"type": "cgroup"} in config["linux"]["namespaces"]
    config["linux"]["namespaces"].remove({"type": "cgroup"})
    assert config == plain


def test_each_is_a_new_one() -> None:
    first = default_config()
    first["process"]["args"].append("x")
    first["process"]["capabilities"]["bounding"].clear()
    assert default_config()["process"]["args"] == ["sh"]
    assert default_config()["process"]["capabilities"]["bounding"]
