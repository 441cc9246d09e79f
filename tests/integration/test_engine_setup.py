"""`pyrunc setup` below a directory of the test's own; what it writes is read by the engines that are installed."""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.runtime import ENVIRONMENT, Pyrunc

FILES = {
    "podman": "etc/containers/containers.conf.d/pyrunc.conf",
    "docker": "etc/docker/daemon.json",
    "containerd": "etc/containerd/config.toml",
}
UID = 54321

every_engine = pytest.mark.parametrize("engine", FILES)


@pytest.fixture
def host(folder: Path) -> Path:
    """What stands for the host's root directory."""
    path = folder / "host"
    path.mkdir()
    return path


def words(engine: str, host: Path, *options: str) -> list[str]:
    """The command line."""
    return ["setup", engine, "--prefix", str(host), *options]


def found(host: Path) -> list[str]:
    """All files there are."""
    return [str(path.relative_to(host)) for path in host.rglob("*") if not path.is_dir()]


def put(host: Path, engine: str, text: str) -> Path:
    """The engine has this file."""
    path = host / FILES[engine]
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.mark.root
@every_engine
def test_there_and_back(engine: str, host: Path, pyrunc: Pyrunc) -> None:
    """Written, shown, written once only, and removed; each says what it did and what is to be done."""
    path = host / FILES[engine]
    shown = pyrunc.ok(*words(engine, host, "--dry-run")).stdout
    assert f"--- /dev/null\n+++ {path}\n" in shown
    assert str(pyrunc.command) in shown
    assert not list(host.iterdir())
    result = pyrunc.ok(*words(engine, host))
    assert result.stdout.startswith(f"wrote {path}\n")
    assert "restart" in result.stdout
    assert result.stderr.startswith(f"warning: {pyrunc.command} is the command of a build tree")
    assert path.stat().st_mode & 0o7777 == 0o644
    assert "".join(line[1:] for line in shown.splitlines(True)[3:]) == path.read_text()
    assert pyrunc.ok(*words(engine, host)).stdout.startswith(f"{path}: nothing to change\n")
    assert "default" not in path.read_text()
    pyrunc.ok(*words(engine, host, "--default"))
    assert "runtime" in path.read_text()
    assert "+++ /dev/null" in pyrunc.ok(*words(engine, host, "--undo", "--dry-run")).stdout
    assert found(host) == [FILES[engine]]
    assert pyrunc.ok(*words(engine, host, "--undo")).stdout.startswith(f"removed {path}\n")
    assert not found(host)
    assert pyrunc.ok(*words(engine, host, "--undo")).stdout == f"{path}: nothing to change\n"


@pytest.mark.root
@pytest.mark.parametrize(
    ("engine", "text"), [("docker", '{\n\t"debug": false\n}'), ("containerd", "# mine\nversion = 3")]
)
def test_a_file_of_somebody(engine: str, text: str, host: Path, pyrunc: Pyrunc) -> None:
    """Owner, mode and all that is in it stay; the diff is one that patch(1) takes."""
    path = put(host, engine, text)
    path.chmod(0o640)
    os.chown(path, UID, UID + 1)
    copy = host / "copy"
    copy.write_text(text)
    shown = pyrunc.ok(*words(engine, host, "--default", "--dry-run")).stdout
    pyrunc.ok(*words(engine, host, "--default"))
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o640, UID, UID + 1)
    if shutil.which("patch"):
        subprocess.run(["patch", "-s", str(copy)], input=shown, text=True, check=True)
        assert copy.read_text() == path.read_text()
    assert pyrunc.ok(*words(engine, host, "--undo")).stdout.startswith(f"wrote {path}\n")
    assert path.read_text() == text
    assert sorted(found(host)) == sorted(["copy", FILES[engine]])


@pytest.mark.root
def test_links_stay_below_the_prefix(host: Path, folder: Path, pyrunc: Pyrunc) -> None:
    """A link on the way leads where it would lead in the image, and never to the host."""
    (host / "etc").mkdir()
    outside = folder / "outside"
    outside.mkdir()
    for target in (str(outside), "../../../../../.." + str(outside)):
        (host / "etc/docker").symlink_to(target)
        pyrunc.ok(*words("docker", host))
        assert not list(outside.iterdir())
        assert found(host)[-1].endswith("daemon.json")
        shutil.rmtree(host / str(outside).lstrip("/"))
        (host / "etc/docker").unlink()


@pytest.mark.root
def test_a_full_disk(host: Path, pyrunc: Pyrunc) -> None:
    """What cannot be written whole is not written: the old file stays and nothing is beside it."""
    text = json.dumps({"labels": ["x" * 100] * 200})
    path = put(host, "docker", text)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    result = pyrunc(*words("docker", host), preexec_fn=limit)
    assert result.returncode == 1
    assert "file too large" in result.stderr.lower()
    assert path.read_text() == text
    assert found(host) == [FILES["docker"]]


@pytest.mark.root
def test_an_ordinary_user(folder: Path, host: Path, pyrunc: Pyrunc) -> None:
    """He has a file of his own for podman, and is told that docker's is root's."""
    home = folder / "home"
    home.mkdir()
    os.chown(home, UID, UID)
    put(host, "docker", "{}")
    user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--", str(pyrunc.command), "setup"]
    for variables, name in (({}, ".config"), ({"XDG_CONFIG_HOME": str(home / "xdg")}, "xdg")):
        environment = {**ENVIRONMENT, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), **variables}
        subprocess.run([*user, "podman"], env=environment, check=True, capture_output=True)
        path = home / name / "containers/containers.conf.d/pyrunc.conf"
        assert path.stat().st_uid == UID
        subprocess.run([*user, "podman", "--undo"], env=environment, check=True, capture_output=True)
        assert not path.exists()
    command = [*user, "docker", "--prefix", str(host)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "permission denied\nhint: this file is root's to change\n" in result.stderr


@pytest.mark.root
def test_podman_reads_it(host: Path, folder: Path, pyrunc: Pyrunc) -> None:
    """With the folder in /etc/containers's place podman has pyrunc, by default if it was asked for."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    places = [f"--root={folder}/images", f"--runroot={folder}/run", f"--tmpdir={folder}/tmp", "--storage-driver=vfs"]
    podman = ["podman", *places, "--log-level=warn"]
    script = 'mount --bind "$0" /etc/containers && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, str(host / "etc/containers"), *podman]
    for options, runtime in (((), "pyrunc"), (("--default",), None)):
        pyrunc.ok(*words("podman", host, *options))
        named = ["--runtime", runtime] if runtime else []
        asked = [*command, *named, "info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}"]
        result = subprocess.run(asked, env=ENVIRONMENT, capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (0, f"pyrunc {pyrunc.command}\n"), result.stderr
        assert "Failed to decode" not in result.stderr


@pytest.mark.root
@pytest.mark.parametrize("before", ["nothing", "the default", "a version"])
def test_containerd_reads_it(before: str, host: Path, pyrunc: Pyrunc) -> None:
    """containerd says of the file what setup wrote, and of everything else what it said."""
    if not shutil.which("containerd"):
        pytest.skip("containerd is not installed")
    path = host / FILES["containerd"]

    def dump() -> list[str]:
        command = ["containerd", "--config", str(path), "config", "dump"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    default = subprocess.run(["containerd", "config", "default"], check=True, capture_output=True, text=True).stdout
    if before != "nothing":
        put(host, "containerd", default if before == "the default" else "version = 2\n")
    old = dump() if before != "nothing" else []
    pyrunc.ok(*words("containerd", host, "--default"))
    new = dump()
    assert any("default_runtime_name" in line and '"pyrunc"' in line for line in new)
    assert any("BinaryName" in line and str(pyrunc.command) in line for line in new)
    assert any("runtimes.runc]" in line for line in new)
    if before == "the default":
        assert [line.split()[0] for line in old if line not in new] == ["default_runtime_name"]


@pytest.mark.root
def test_dockerd_reads_it(host: Path, pyrunc: Pyrunc) -> None:
    """dockerd finds nothing wrong with the file."""
    known = subprocess.run(["sh", "-c", "dockerd --help"], capture_output=True, text=True)
    if "--validate" not in known.stdout:
        pytest.skip("needs a dockerd with --validate (23.0)")
    pyrunc.ok(*words("docker", host, "--default"))
    command = ["dockerd", "--validate", "--config-file", str(host / FILES["docker"])]
    assert subprocess.run(command, capture_output=True).returncode == 0
