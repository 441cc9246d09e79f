"""Whatever an engine's file has in it: with pyrunc it says the same and pyrunc, and without it again it is the same."""

import json
import tomllib

from hypothesis import assume, given
from hypothesis import strategies as st

from pyrunc.engine_setup import Wanted, containerd, docker
from pyrunc.errors import PyruncError

NAMES = st.sampled_from(["runtimes", "a", "pyrunc's", "features", 'q"\\', "debug"]) | st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.dictionaries(st.text(max_size=4), VALUES, max_size=3)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4) | st.builds(
    lambda data, runtimes: {**data, "runtimes": runtimes}, st.dictionaries(NAMES, VALUES, max_size=4), ENTRIES
)
WANTED = st.builds(Wanted, st.sampled_from(["/usr/bin/pyrunc", '/o "p"/ä']), st.booleans(), st.booleans())
SPACE = st.text(" \t\n\r", max_size=3)


@given(
    DOCUMENTS,
    WANTED,
    st.sampled_from([None, 0, 1, 2, 4, "\t"]),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n", "\t:\n")]),
    SPACE,
    SPACE,
)
def test_daemon_json(
    data: dict[str, object],
    wanted: Wanted,
    indent: "int | str | None",
    separators: tuple[str, str],
    before: str,
    after: str,
) -> None:
    """undo(setup(x)) == x for every layout."""
    runtimes = data.setdefault("runtimes", {}) if "runtimes" in data else {}
    assume(isinstance(runtimes, dict) and "pyrunc" not in runtimes and "default-runtime" not in data)
    text = before + json.dumps(data, indent=indent, separators=separators) + after
    new = docker.setup(text, wanted).text
    assert new is not None
    expected = dict(data)
    expected["runtimes"] = {"pyrunc": {"path": wanted.command}, **(runtimes if isinstance(runtimes, dict) else {})}
    if wanted.default:
        expected["default-runtime"] = "pyrunc"
    assert json.loads(new) == expected
    assert docker.undo(new) == (text, ())
    assert docker.setup(new, wanted).text == new


LINES = st.lists(
    st.sampled_from(
        [
            "",
            "# a comment",
            "\t# ünother",
            'root = "/var/lib/containerd"',
            'imports = ["/etc/containerd/conf.d/*.toml"]',
            'disabled_plugins = ["cri"]',
            "oom_score = -999\r",
            'text = """\n[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = 1\n"""',
            "[debug]",
            'level = "debug"',
            "[[stream]]",
            "[plugins]",
            '  [plugins."io.containerd.grpc.v1.cri"]',
            "  [plugins.'io.containerd.grpc.v1.cri'.containerd] # here",
            "[plugins.'io.containerd.cri.v1.runtime'.containerd]",
            'default_runtime_name = "runc"',
            '    default_runtime_name="nvidia" # mine\r',
            "default_runtime_name = '''\nx'''",
            "'default_runtime_name' = 'runc'",
            "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes]",
            "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]",
            "runtimes = {}",
            "SystemdCgroup = true",
        ]
    ),
    max_size=9,
)


@given(st.sampled_from([2, 3]), LINES, st.booleans(), WANTED)
def test_config_toml(version: int, lines: list[str], newline: bool, wanted: Wanted) -> None:
    """undo(setup(x)) == x; what setup cannot add to, it refuses, and never writes something else."""
    text = "\n".join([f"version = {version}", *lines]) + ("\n" if newline else "")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    try:
        new = containerd.setup(text, wanted).text
    except PyruncError as error:
        assert "cannot be added to" in str(error) or "is no table" in str(error)
        assert "{}" in text or "'''\nx" in text or "'default" in text or '"""' in text  # and none but those
        return
    assert new is not None
    section = containerd.SECTIONS[version]
    cri = tomllib.loads(new)["plugins"][section]["containerd"]
    assert cri["runtimes"].pop("pyrunc")["options"]["BinaryName"] == wanted.command
    old = data.get("plugins", {}).get(section, {}).get("containerd", {})
    assert cri.get("default_runtime_name") == ("pyrunc" if wanted.default else old.get("default_runtime_name"))
    assert cri["runtimes"] == (old.get("runtimes") or {"runc": {"runtime_type": containerd.TYPE}})
    assert containerd.undo(new).text == text
    assert containerd.setup(new, wanted).text == new
