"""What `pyrunc setup` makes of the text of an engine's file, and that taking it out gives the text that was there."""

import json
import tomllib

import pytest

from pyrunc.engine_setup import Wanted, containerd, docker, podman
from pyrunc.errors import PyruncError

COMMAND = "/usr/local/bin/pyrunc"
PLAIN = Wanted(COMMAND, False, True)
DEFAULT = Wanted(COMMAND, True, True)
V2 = "io.containerd.grpc.v1.cri"
V3 = "io.containerd.cri.v1.runtime"


def engine_of(text: str | None) -> dict[str, object]:
    """The table [engine] of containers.conf."""
    assert text is not None
    found = tomllib.loads(text)["engine"]
    assert isinstance(found, dict)
    return found


def test_podman() -> None:
    """pyrunc is there under its name, and errors are read from its log; all else only if asked for."""
    engine = engine_of(podman.setup(None, PLAIN).text)
    assert engine["runtimes"] == {"pyrunc": [COMMAND]}
    assert "pyrunc" in engine["runtime_supports_json"]  # type: ignore[operator]
    assert not {"runtime", "cgroup_manager"} & set(engine)
    engine = engine_of(podman.setup(None, Wanted(COMMAND, True, False)).text)
    assert (engine["runtime"], engine["cgroup_manager"]) == ("pyrunc", "cgroupfs")


def test_podman_again() -> None:
    """A second time changes nothing; a default is added, and kept when it is not asked for."""
    plain, default = podman.setup(None, PLAIN).text, podman.setup(None, DEFAULT).text
    assert podman.setup(plain, PLAIN).text == plain
    assert podman.setup(plain, DEFAULT).text == default
    assert podman.setup(default, PLAIN).text == default
    assert default is not None
    assert podman.undo(default).text is None


@pytest.mark.parametrize("text", ["", "[engine]\n", '[engine.runtimes]\npyrunc = ["/usr/local/bin/pyrunc"]\n'])
def test_podman_file_of_somebody_else(text: str) -> None:
    """Another file of that name is neither written nor removed."""
    for plan in (lambda: podman.setup(text, PLAIN), lambda: podman.undo(text)):
        with pytest.raises(PyruncError):
            plan()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"runtimes": {"pyrunc": {"path": "/opt/pyrunc"}}}'),
        ('{"a":1}', '{"runtimes": {"pyrunc": {"path": "/opt/pyrunc"}},"a":1}'),
        (
            '{\n\t"dns": ["::1"],\n\t"bip": ""\n}\n',
            '{\n\t"runtimes": {"pyrunc": {"path": "/opt/pyrunc"}},\n\t"dns": ["::1"],\n\t"bip": ""\n}\n',
        ),
        (
            '{\n  "runtimes": {\n    "nv": {"path": "nv"}\n  }\n}\n',
            '{\n  "runtimes": {\n    "pyrunc": { "path": "/opt/pyrunc" },\n    "nv": {"path": "nv"}\n  }\n}\n',
        ),
    ],
)
def test_docker(before: str, after: str) -> None:
    """The entry is put in, in the file's own layout, and nothing else is touched."""
    wanted = Wanted("/opt/pyrunc", False, True)
    assert docker.setup(before, wanted).text == after
    assert docker.setup(after, wanted).text == after
    assert docker.undo(after).text == before


def test_docker_default() -> None:
    """The default runtime: by name, now or later; another one is not overwritten."""
    for before in (None, "{}", '{"runtimes": {}}', '{\n  "debug": true\n}\n'):
        text = docker.setup(before, DEFAULT).text
        assert text is not None
        assert json.loads(text)["default-runtime"] == "pyrunc"
        assert json.loads(text)["runtimes"] == {"pyrunc": {"path": COMMAND}}
        assert docker.undo(text).text == before
        assert docker.setup(docker.setup(before, PLAIN).text, DEFAULT).text == text
    with pytest.raises(PyruncError, match="default-runtime is there already and differs"):
        docker.setup('{"default-runtime": "nvidia"}', DEFAULT)
    text = docker.setup('{"default-runtime": "nvidia"}', PLAIN).text
    assert text is not None
    assert json.loads(text)["default-runtime"] == "nvidia"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{\n  "a": 1,\n}', "is no JSON: line 3, column 1"),
        ("", "is no JSON: line 1, column 1"),
        ('{"a": NaN}', "is no JSON: NaN"),
        ("[]", "is no JSON object"),
        ("[" * 100000, "cannot be read"),
        ('{"a": ' + "1" * 5000 + "}", "cannot be read"),
        ('{"a": {"b": 1, "b": 2}}', 'has the member "b" twice'),
        ('{"runtimes": []}', "runtimes is no object"),
        ('{"runtimes": {"pyrunc": {"path": "/opt/pyrunc"}}}', "runtimes.pyrunc is there already and differs"),
        ('{"runtimes": {"pyrunc": null}}', "runtimes.pyrunc is there already and differs"),
    ],
)
def test_docker_refuses(text: str, error: str) -> None:
    """What is no JSON is refused with its place, and what differs is not overwritten."""
    with pytest.raises(PyruncError) as caught:
        docker.setup(text, PLAIN)
    assert str(caught.value).startswith(error)


def test_docker_changed_since() -> None:
    """Other members come and go; another layout is taken and told; an entry that was changed stays."""
    text = docker.setup('{\n  "a": 1\n}\n', DEFAULT).text
    assert text is not None
    with_more = text.replace('"a": 1', '"a": 2,\n  "b": 3')
    assert docker.undo(with_more) == ('{\n  "a": 2,\n  "b": 3\n}\n', ())
    anew = docker.undo(json.dumps(json.loads(text), indent=4))
    assert json.loads(anew.text or "") == {"a": 1}
    assert anew.notes
    with pytest.raises(PyruncError, match=r"runtimes.pyrunc was changed since"):
        docker.undo(text.replace(f'"{COMMAND}"', f'"{COMMAND}", "runtimeArgs": ["--debug"]'))
    assert docker.undo('{"default-runtime": "pyrunc", "a": 1}').text == '{"a": 1}'
    assert docker.undo('{"runtimes": {"nv": {}}}').text == '{"runtimes": {"nv": {}}}'


def cri_of(text: str | None, section: str = V2) -> dict[str, object]:
    """The table of the CRI plugin's runtimes."""
    assert text is not None
    found = tomllib.loads(text)["plugins"][section]["containerd"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("before", "section"),
    [
        (None, V2),
        ("", V2),
        ("# nothing", V2),
        ("version = 2\n", V2),
        ("version = 2", V2),
        ("version = 2\r\n# Windows\r\n", V2),
        ("version = 3\n", V3),
        (f'version = 2\n[plugins."{V2}".containerd]\n', V2),
        (f'version = 2\n[plugins."{V2}".containerd]', V2),
        (f'version = 2\n[plugins]\n  [plugins."{V2}"]\n    [plugins."{V2}".containerd] # x\n      a = 1\n', V2),
        (f"version = 3\n[plugins.'{V3}'.containerd]\r\n\tdefault_runtime_name = 'runc' # mine\r\n\ta = 1\n", V3),
        (f'version = 2\n[plugins."{V2}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n', V2),
    ],
)
def test_containerd(before: str | None, section: str) -> None:
    """What the file says then is what it said, and pyrunc; undone it is the same to the last character."""
    for wanted in (PLAIN, DEFAULT):
        text = containerd.setup(before, wanted).text
        runtimes = cri_of(text, section)["runtimes"]
        assert isinstance(runtimes, dict)
        options = {"BinaryName": COMMAND, "SystemdCgroup": False}
        assert runtimes["pyrunc"] == {"runtime_type": "io.containerd.runc.v2", "options": options}
        assert runtimes["runc"] == {
            "runtime_type": "io.containerd.runc.v2"
        }  # built in, and only as long as no other is
        assert (cri_of(text, section).get("default_runtime_name") == "pyrunc") == wanted.default
        assert text is not None
        assert containerd.undo(text).text == before
        assert containerd.setup(text, PLAIN).text == text
    assert containerd.setup(containerd.setup(before, PLAIN).text, DEFAULT).text == text


def test_containerd_takes_runcs_cgroup_driver() -> None:
    """All containers of a kubelet have one driver, so it is the one that runc has."""
    runc = f'[plugins."{V2}".containerd.runtimes.runc.options]\nSystemdCgroup = true\n'
    text = containerd.setup("version = 2\n" + runc, PLAIN).text
    assert text is not None
    assert text.endswith("  SystemdCgroup = true\n" + containerd.END)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version = 2\nx =\n", "is no TOML: Invalid value (at line 2, column 4)"),
        ("x = " + "1" * 5000, "is no TOML: "),
        ('disabled_plugins = ["cri"]\n', "is of version 1"),
        ("version = 4\n", "is of version 4"),
        ('version = "2"\n', "is of version '2'"),
        (f'version = 2\nplugins = {{ "{V2}" = {{ containerd = {{}} }} }}\n', "is written in a way"),
        ("version = 2\nplugins = 1\n", "plugins is no table"),
        (f'version = 2\nplugins."{V2}".containerd.runtimes = 1\n', "runtimes is no table"),
        (f'version = 2\n[plugins."{V2}".containerd.runtimes.pyrunc]\n', "the runtime pyrunc is there already"),
    ],
)
def test_containerd_refuses(text: str, error: str) -> None:
    """What cannot be read, or not be added to, is refused."""
    with pytest.raises(PyruncError) as caught:
        containerd.setup(text, DEFAULT)
    assert str(caught.value).startswith(error)


def test_containerd_by_hand() -> None:
    """Lines of the same meaning that were written by hand are enough, and are not removed."""
    name = f'plugins."{V2}".containerd.runtimes.pyrunc'
    text = f'version = 2\n[{name}]\nruntime_type = "x"\n[{name}.options]\nBinaryName = "{COMMAND}"\n'
    assert containerd.setup(text, PLAIN).text == text
    assert containerd.undo(text).text == text


def test_containerd_changed_since() -> None:
    """What is before and behind the block may change, what is in it may not."""
    text = containerd.setup(f'version = 2\n[plugins."{V2}".containerd]\n', DEFAULT).text
    assert text is not None
    assert containerd.undo(f"# new\n{text}[debug]\nlevel = 'debug'\n").text == (
        f"# new\nversion = 2\n[plugins.\"{V2}\".containerd]\n[debug]\nlevel = 'debug'\n"
    )
    for changed in (
        text.replace("SystemdCgroup = false", "SystemdCgroup = true # systemd"),
        text.replace(containerd.END, ""),
        text.replace("BinaryName", "binaryName"),
        text.replace(containerd.BEGIN, ""),
        text.replace("\n", "\r\n"),
        text + "Root = '/run/x'\n",  # it would be another table's without the block
    ):
        with pytest.raises(PyruncError, match="was changed since setup wrote it"):
            containerd.undo(changed)


def test_containerd_default_changed_since() -> None:
    """Another default stays; pyrunc in other words stays, too, and is told."""
    text = containerd.setup(f'version = 2\n[plugins."{V2}".containerd]\ndefault_runtime_name = "runc"\n', DEFAULT).text
    assert text is not None
    line = next(line for line in text.splitlines() if line.strip().startswith(containerd.DEFAULT))
    other = containerd.undo(text.replace(line, 'default_runtime_name = "crun"'))
    assert cri_of(other.text)["default_runtime_name"] == "crun"
    assert not other.notes
    same = containerd.undo(text.replace(line, "default_runtime_name = 'pyrunc'"))
    assert cri_of(same.text)["default_runtime_name"] == "pyrunc"
    assert same.notes


def test_another_command() -> None:
    """The entry of another installation is not overwritten."""
    other = Wanted("/opt/pyrunc", False, True)
    for engine in (podman, docker, containerd):
        text = engine.setup(None, other).text
        with pytest.raises(PyruncError, match="already and differs"):
            engine.setup(text, PLAIN)


@pytest.mark.parametrize("path", ["/a\x7f", "/a\udcff"])
def test_a_path_that_cannot_be_written(path: str) -> None:
    """Neither TOML nor JSON can have it."""
    for engine in (podman, docker, containerd):
        with pytest.raises(PyruncError, match="the path of the command cannot stand"):
            engine.setup(None, Wanted(path, False, True))


def test_odd_paths() -> None:
    """Quotes, backslashes and other scripts are quoted."""
    path = '/opt/a "b"\\c\n/ä'
    for engine in (podman, docker, containerd):
        text = engine.setup(None, Wanted(path, True, True)).text
        assert text is not None
        assert engine.undo(text).text is None
    assert json.loads(docker.setup(None, Wanted(path, True, True)).text or "")["runtimes"]["pyrunc"]["path"] == path
