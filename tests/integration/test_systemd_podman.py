"""podman as a host with systemd has it: its cgroups are systemd's, and pyrunc makes the containers in them."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.rootfs import RootTemplate
from tests.support.units import WithSystemd, read

pytestmark = [
    pytest.mark.root,
    pytest.mark.cgroup2,
    pytest.mark.systemd,
    pytest.mark.skipif(not shutil.which("podman"), reason="needs podman"),
]

Podman = Callable[..., subprocess.CompletedProcess[str]]
IMAGE = "localhost/pyrunc-test:latest"


@pytest.fixture
def podman(runtime: Path, folder: Path, root_template: RootTemplate) -> Iterator[Podman]:
    """podman(args) with a storage of its own, an image of the tests' root file system, and pyrunc as runtime."""
    places = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--tmpdir", str(folder / "tmp")]
    settings = ["--runtime", str(runtime), "--cgroup-manager", "systemd", "--events-backend", "none"]

    def call(*args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = ["podman", *places, *settings, *args]
        result = subprocess.run(argv, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        assert not check or result.returncode == 0, result
        return result

    default_root = Path("/run/pyrunc")  # podman's clean-up names no other
    was_there = default_root.exists()
    root_template.make(folder / "image")
    archive = folder / "image.tar"
    subprocess.run(["tar", "-C", folder / "image", "-cf", archive, "."], check=True)
    call("import", str(archive), IMAGE)
    yield call
    call("pod", "rm", "--force", "--all", check=False)
    call("rm", "--force", "--time", "0", "--all", check=False)
    for mount in sorted(line.split()[0] for line in leaks.mounts() if line.startswith(str(folder))):
        subprocess.run(["umount", "--lazy", mount])
    if not was_there and default_root.exists():
        assert [path.name for path in default_root.iterdir() if not path.name.startswith(".")] == []
        shutil.rmtree(default_root)


@pytest.fixture
def host(runtime: Path, folder: Path) -> WithSystemd:
    """For what systemd says."""
    return WithSystemd(runtime, folder / "root", folder / "output")


def test_life_of_a_container(podman: Podman, host: WithSystemd) -> None:
    options = ("--network", "none", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50")
    container_id = podman("run", "--detach", *options, IMAGE, "sleep", "1000").stdout.strip()
    unit = f"libpod-{container_id}.scope"
    cgroup = f"/machine.slice/{unit}"
    assert host.show(unit, "ActiveState", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec") == {
        "ActiveState": "active",
        "MemoryMax": str(64 << 20),
        "TasksMax": "50",
        "CPUQuotaPerSecUSec": "500ms",
    }
    assert read(cgroup, "cpu.max") == "50000 100000"
    inside = podman("exec", container_id, "cat", "/proc/1/cgroup", "/proc/self/cgroup").stdout
    assert inside == "0::/\n0::/\n"
    podman("update", "--memory", "96m", container_id)
    assert host.show(unit, "MemoryMax") == {"MemoryMax": str(96 << 20)}
    podman("pause", container_id)
    podman("unpause", container_id)
    stats = podman("stats", "--no-stream", "--format", "{{.MemUsage}}", container_id).stdout
    assert "100.7MB" in stats
    podman("restart", "--time", "0", container_id)
    assert host.show(unit, "ActiveState") == {"ActiveState": "active"}
    podman("stop", "--time", "0", container_id)
    podman("rm", container_id)
    assert host.units(container_id) == []


def test_status_and_output(podman: Podman) -> None:
    result = podman("run", "--rm", "--network", "none", IMAGE, "sh", "-c", "echo out; exit 42", check=False)
    assert (result.returncode, result.stdout) == (42, "out\n"), result


def test_pods_are_slices(podman: Podman, host: WithSystemd) -> None:
    """The container's scope is in the slice that podman made for the pod."""
    made = podman("pod", "create", "--infra=false").stdout.strip()
    pod = podman("run", "--detach", "--pod", made, "--network", "none", IMAGE, "sleep", "1000").stdout.strip()
    unit = f"libpod-{pod}.scope"
    assert host.show(unit, "Slice", "ActiveState") == {
        "Slice": f"machine-libpod_pod_{made}.slice",
        "ActiveState": "active",
    }
    podman("pod", "rm", "--force", "--time", "0", made)
    assert host.units(pod) == []


def test_systemd_in_a_container_may_manage_its_cgroup(podman: Podman) -> None:
    """--systemd=always mounts the cgroup for it to write in."""
    script = "mkdir /sys/fs/cgroup/init.scope && echo 1 > /sys/fs/cgroup/init.scope/cgroup.procs && cat /proc/1/cgroup"
    result = podman("run", "--rm", "--network", "none", "--systemd=always", IMAGE, "sh", "-c", script)
    assert result.stdout == "0::/init.scope\n"
