"""process.apparmorProfile, and what exec makes of it, on a host with AppArmor (`make test-vm` has one)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.bundles import Bundle, BundleFactory
from tests.support.live import in_userns
from tests.support.runtime import Pyrunc

pytestmark = [pytest.mark.root, pytest.mark.apparmor]

CURRENT = "cat /proc/self/attr/apparmor/current"
READ = "cat /forbidden/file"


def load(name: str, forbidden: str) -> None:
    """Loads a profile that allows all but what is in one directory."""
    text = (
        f"abi <abi/3.0>,\nprofile {name} flags=(attach_disconnected,mediate_deleted) {{\n  file,\n  capability,\n"
        f"  network,\n  signal,\n  ptrace,\n  unix,\n  mount,\n  deny {forbidden}/** rwklx,\n}}\n"
    )
    subprocess.run(["apparmor_parser", "--replace"], input=text, text=True, check=True)


@pytest.fixture(scope="module")
def profile() -> Iterator[str]:
    """A loaded profile that forbids /forbidden."""
    yield from loaded(f"{leaks.prefix()}confined", "/forbidden")


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """A loaded profile that does not."""
    yield from loaded(f"{leaks.prefix()}other", "/something-else")


def loaded(name: str, forbidden: str) -> Iterator[str]:
    load(name, forbidden)
    yield name
    Path("/sys/kernel/security/apparmor/.remove").write_text(name)


def confined(made: Bundle, profile: str) -> Bundle:
    """The bundle with the profile, and a file that it forbids."""
    made.config["process"]["apparmorProfile"] = profile
    (made.rootfs / "forbidden").mkdir()
    (made.rootfs / "forbidden/file").write_text("secret\n")
    return made.save()


@pytest.mark.parametrize("userns", [False, True])
@pytest.mark.parametrize("no_new_privs", [False, True])
def test_the_process_is_confined(
    bundle: BundleFactory, pyrunc: Pyrunc, profile: str, userns: bool, no_new_privs: bool
) -> None:
    made = confined(bundle(f"{CURRENT}; {READ}; echo $?"), profile)
    made.config["process"]["noNewPrivileges"] = no_new_privs
    result = pyrunc.run(in_userns(made) if userns else made.save())
    assert result.stdout.splitlines() == [f"{profile} (enforce)", "1"]
    assert "Permission denied" in result.stderr


def test_without_a_profile_it_is_not(bundle: BundleFactory, pyrunc: Pyrunc, profile: str) -> None:
    made = confined(bundle(f"{CURRENT}; {READ}"), profile)
    del made.config["process"]["apparmorProfile"]
    assert pyrunc.run(made.save()).stdout.splitlines() == ["unconfined", "secret"]


@pytest.fixture
def running(bundle: BundleFactory, pyrunc: Pyrunc, profile: str) -> str:
    """The id of a running container under the profile."""
    container_id, _ = pyrunc.create(confined(bundle(("/bin/sleep", "1000")), profile))
    pyrunc.ok("start", container_id)
    return container_id


def test_exec_is_confined_as_the_container(running: str, pyrunc: Pyrunc, profile: str) -> None:
    pid = pyrunc.state(running)["pid"]
    assert Path(f"/proc/{pid}/attr/apparmor/current").read_text() == f"{profile} (enforce)\n"
    result = pyrunc("exec", running, "sh", "-c", f"{CURRENT}; {READ}")
    assert (result.returncode, result.stdout) == (1, f"{profile} (enforce)\n")


def test_exec_with_a_process_of_its_own(running: str, pyrunc: Pyrunc, folder: Path, profile: str, other: str) -> None:
    """Without a profile there it has the container's: nobody leaves the confinement by saying nothing."""
    process = {"cwd": "/", "env": ["PATH=/bin"], "args": ["sh", "-c", CURRENT]}
    for extra, expected in (({}, profile), ({"apparmorProfile": ""}, profile), ({"apparmorProfile": other}, other)):
        file = folder / "process.json"
        file.write_text(json.dumps({**process, **extra}))
        assert pyrunc.ok("exec", "--process", file, running).stdout == f"{expected} (enforce)\n"


def test_exec_with_another_profile(running: str, pyrunc: Pyrunc, other: str) -> None:
    result = pyrunc.ok("exec", "--apparmor", other, running, "sh", "-c", f"{CURRENT}; {READ}")
    assert result.stdout == f"{other} (enforce)\nsecret\n"


def test_exec_unconfined(running: str, pyrunc: Pyrunc) -> None:
    """As `docker exec --privileged` asks for."""
    assert pyrunc.ok("exec", "--apparmor", "unconfined", running, "sh", "-c", CURRENT).stdout == "unconfined\n"


def test_unknown_profile(bundle: BundleFactory, pyrunc: Pyrunc, running: str) -> None:
    made = confined(bundle(), "pyrunc-test-nowhere")
    result = pyrunc("create", "--bundle", made, pyrunc.new_id())
    assert result.returncode == 1
    assert 'set the LSM label: "exec pyrunc-test-nowhere": no such file or directory' in result.stderr
    assert pyrunc.containers() == [running]
    result = pyrunc("exec", "--apparmor", "pyrunc-test-nowhere", running, "true")
    assert result.returncode == 255
    assert "pyrunc-test-nowhere" in result.stderr
    assert pyrunc.state(running)["status"] == "running"


def test_the_created_container_is_confined_from_its_first_instruction(
    bundle: BundleFactory, pyrunc: Pyrunc, profile: str
) -> None:
    """What waits is pyrunc-init, not the program, which has the profile since its exec."""
    container_id, output = pyrunc.create(confined(bundle(f"{READ}; {CURRENT}"), profile))
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")
    assert output.stdout == f"{profile} (enforce)\n"


def test_a_forged_proc_does_not_take_the_label(bundle: BundleFactory, pyrunc: Pyrunc, profile: str) -> None:
    """CVE-2019-16884: the image has a /proc/self/attr of its own, and no procfs goes over it."""
    made = confined(bundle(f"{READ}; cat /proc/self/attr/exec /proc/self/attr/apparmor/exec"), profile)
    made.config["mounts"] = [mount for mount in made.config["mounts"] if mount["destination"] != "/proc"]
    made.config["linux"].pop("maskedPaths", None)
    made.config["linux"].pop("readonlyPaths", None)
    attr = made.rootfs / "proc/self/attr"
    (attr / "apparmor").mkdir(parents=True)
    for name in ("exec", "apparmor/exec"):
        (attr / name).write_text("forged\n")
    result = pyrunc.run(made.save())
    assert (result.returncode, result.stdout) == (0, "forged\nforged\n")
    assert "Permission denied" in result.stderr
