"""Each newer system call denied in turn, as an outer container's seccomp filter (EPERM, ENOSYS) or an old kernel would.

pyrunc does without a call only where that is as safe.  Else it says which one is missing before it has touched
anything: there is no state root, and so nothing that comes after that.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import folders, leaks
from tests.support.bundles import Bundle, BundleFactory
from tests.support.denied import (
    CALLS,
    CREATE_WORKS,
    ERRORS,
    EXEC_WORKS,
    UNNEEDED,
    DenyFactory,
    assert_names,
    assert_refused,
    run,
)
from tests.support.processes import children, reap_adopted
from tests.support.rootfs import RootTemplate, give_to
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

UNCHECKED: Change = ("pyrunc/kernel_calls.py", "    if found:\n        raise lacking(found)\n", "")
CASES = [(call, error) for call in CALLS for error in ERRORS]
every_call = pytest.mark.parametrize(("call", "error"), CASES)


def docker(bundle: BundleFactory, script: str) -> Bundle:
    """docker's default, with its seccomp profile and its hook."""
    return bundle.from_corpus("docker-run-default.json", script)


def mapped(bundle: BundleFactory, script: str) -> Bundle:
    """A user namespace, and idmapped mounts of both kinds."""
    made = bundle(script)
    linux = made.config["linux"]
    linux["cgroupsPath"] = f"/{leaks.prefix()}denied"
    linux["namespaces"].append({"type": "user"})
    linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    source = made.path / "source"
    source.mkdir()
    maps = {name: [{"containerID": 0, "hostID": 200000, "size": 10}] for name in ("uidMappings", "gidMappings")}
    made.config["mounts"] += [
        {"destination": "/own", "type": "none", "source": str(source), "options": ["bind", "idmap"]},
        {"destination": "/other", "type": "none", "source": str(source), "options": ["bind", "idmap"], **maps},
    ]
    give_to(made.rootfs, 100000, 100000)
    return made.save()


def rich(bundle: BundleFactory, script: str) -> Bundle:
    """A terminal, masks of both kinds, a read-only path, a tmpfs that is filled, devices, a sysctl, a remount."""
    made = bundle(script, terminal=True)
    made.config["mounts"] += [
        {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "nosuid"]},
        {"destination": "/etc", "type": "none", "source": "none", "options": ["remount", "bind", "ro"]},
    ]
    linux = made.config["linux"]
    linux["cgroupsPath"] = f"/{leaks.prefix()}denied"
    linux["devices"] = [{"path": "/dev/extra", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600}]
    linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    linux["maskedPaths"] += ["/etc/passwd", "/var"]
    linux["readonlyPaths"] += ["/tmp"]
    return made.save()


SHAPES = {"docker": docker, "mapped": mapped, "rich": rich}
# What a process finds around it, without the numbers that differ from container to container.
LOOK = (
    "cut -d' ' -f 4- /proc/self/mountinfo | sed 's/master:[0-9]*/master/';"
    " grep -E '^(Cap|NoNew|Seccomp:|Groups)' /proc/self/status; ls /proc/self/fd; ls /proc/self/ns; hostname; pwd; id;"
    " env; ls -ln /dev | awk '{print $1, $3, $4, $5, $6, $10, $11, $12}'"
)


@pytest.fixture(scope="module")
def bundles(session_folder: Path, root_template: RootTemplate) -> Iterator[dict[str, Bundle]]:
    """One of each shape, for runs that come to nothing."""
    folder = session_folder / "denied-bundles"
    factory = BundleFactory(folder, root_template)
    yield {name: make(factory, "echo ran") for name, make in SHAPES.items()}
    folders.remove(folder)


@pytest.fixture(scope="module")
def running(session_folder: Path, runtime: Path, bundles: dict[str, Bundle]) -> Iterator[tuple[Pyrunc, str]]:
    """A container that was made without a filter, and its id."""
    pyrunc = Pyrunc(runtime, session_folder / "root-denied", session_folder / "output-denied")
    made = bundles["docker"]
    made.config["process"]["args"] = ["/bin/sleep", "1000"]
    others = set(children(os.getpid()))
    container_id, _ = pyrunc.create(made.save())
    pyrunc.ok("start", container_id)
    yield pyrunc, container_id
    assert not pyrunc.delete_all()
    reap_adopted(others)


def own_cgroups() -> set[str]:
    """Of this run's containers."""
    return {path for path in leaks.cgroups() if leaks.prefix() in path}


@pytest.mark.parametrize(("call", "error"), [case for case in CASES if case[0] not in CREATE_WORKS])
def test_no_container(call: str, error: str, bundles: dict[str, Bundle], deny: DenyFactory) -> None:
    """Without what nothing can replace there is neither a container nor a trace of one, with run and with create."""
    pyrunc = deny(error, call)
    before = own_cgroups()
    for made in bundles.values():
        terminal = made.config["process"].get("terminal")
        for command in (["run"], ["create", "--console-socket", "/nonexistent"] if terminal else ["create"]):
            assert_refused(pyrunc(*command, "--bundle", made, pyrunc.new_id()), call, error, pyrunc)
    assert own_cgroups() == before


@pytest.mark.parametrize("error", list(ERRORS))
def test_several(error: str, bundles: dict[str, Bundle], deny: DenyFactory) -> None:
    """All that are missing are named at once."""
    calls = [call for call in CALLS if call != "close_range"]  # which is called, and told, before
    pyrunc = deny(error, ",".join(calls))
    result = pyrunc.run(bundles["docker"])
    for call in calls:
        assert_refused(result, call, error, pyrunc)


def test_no_container_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc], deny: DenyFactory) -> None:
    """Unchecked, it is found out when things are there already."""
    pyrunc = deny("ENOSYS", "openat2", of=weak(UNCHECKED))
    result = pyrunc.run(bundle("echo ran"))
    assert result.returncode == 1
    assert pyrunc.root.exists()


@pytest.mark.parametrize(("shape", "error"), [("docker", "ENOSYS"), ("mapped", "EPERM"), ("rich", "ENOSYS")])
@pytest.mark.parametrize("call", sorted(CREATE_WORKS))
def test_container(call: str, shape: str, error: str, bundle: BundleFactory, deny: DenyFactory) -> None:
    """One that is as with all calls."""
    results = []
    made = SHAPES[shape](bundle, LOOK)
    for command in (deny(error, call), deny(error, UNNEEDED)):
        result = run(command, made)
        assert result.returncode == 0, result
        results.append(result.stdout)
    assert "Seccomp:" in results[0]
    assert results[0] == results[1]


@pytest.mark.parametrize("error", list(ERRORS))
@pytest.mark.parametrize("call", sorted(CREATE_WORKS))
def test_whole_life(call: str, error: str, bundle: BundleFactory, deny: DenyFactory) -> None:
    """create, start, exec, kill and delete, all of them under the filter."""
    made = docker(bundle, f"{LOOK}; exec sleep 100")
    seen = []
    for command in (deny(error, call), deny(error, UNNEEDED)):
        container_id, result = command.create(made)
        command.ok("start", container_id)
        looked = command.ok("exec", container_id, "/bin/sh", "-c", LOOK).stdout
        command.ok("kill", container_id, "KILL")
        command.wait_status(container_id, "stopped")
        command.ok("delete", container_id)
        seen.append((result.stdout, looked))
    assert "Seccomp:" in seen[0][1]
    assert seen[0] == seen[1]


@every_call
def test_exec(call: str, error: str, running: tuple[Pyrunc, str], deny: DenyFactory) -> None:
    """As with all calls, or not at all."""
    pyrunc, container_id = running
    denied, plain = deny(error, call, of=pyrunc), deny(error, UNNEEDED, of=pyrunc)
    line = ("exec", container_id, "/bin/sh", "-c", LOOK)
    before = children(os.getpid())
    result = denied(*line)
    if call in EXEC_WORKS:
        assert (result.returncode, result.stdout) == (0, plain.ok(*line).stdout), result
        return
    assert result.returncode == 255, result
    assert_names(result, call, error)
    assert children(os.getpid()) == before
    assert pyrunc.ok("ps", "--format", "json", container_id).json() == [pyrunc.state(container_id)["pid"]]


@pytest.mark.parametrize("error", list(ERRORS))
def test_exec_without_a_safe_helper(error: str, running: tuple[Pyrunc, str], deny: DenyFactory) -> None:
    """Neither a clone of its mount nor a sealed copy: then none at all."""
    pyrunc, container_id = running
    result = deny(error, "mount_setattr,memfd_create", of=pyrunc)("exec", container_id, "/bin/true")
    assert result.returncode == 255
    assert_names(result, "memfd_create", error)
    assert_names(result, "mount_setattr", error)


@every_call
def test_other_commands(call: str, error: str, running: tuple[Pyrunc, str], deny: DenyFactory) -> None:
    """They work on a container that is there; those that need a pidfd say so."""
    pyrunc, container_id = running
    denied = deny(error, call, of=pyrunc)
    for line in (["state"], ["kill"], ["delete"]):
        result = denied(*line, container_id, *(["0"] if line == ["kill"] else []))
        if call == "pidfd_open":
            assert_names(result, call, error)
        elif call == "pidfd_send_signal" and line == ["kill"]:
            assert result.returncode == 1, result
            assert ERRORS[error] in result.stderr
        elif line == ["delete"]:
            assert "is not stopped" in result.stderr
        else:
            assert result.returncode == 0, result
    assert pyrunc.state(container_id)["status"] == "running"


@pytest.mark.parametrize("error", list(ERRORS))
def test_hooks(error: str, bundle: BundleFactory, pyrunc: Pyrunc, deny: DenyFactory) -> None:
    """What cannot start the hooks of a container does not start the container, and can still remove it."""
    made = bundle("exit 0")
    hooks = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind}"]}] for kind in ("poststart", "poststop")}
    made.config["hooks"] = hooks
    container_id, _ = pyrunc.create(made.save())
    denied = deny(error, "close_range")
    assert_names(denied("start", container_id), "close_range", error)
    assert pyrunc.state(container_id)["status"] == "created"
    result = denied.ok("delete", "--force", container_id)
    assert "hooks.poststop[0]" in result.stderr
    assert pyrunc.containers() == []


@pytest.mark.parametrize("error", list(ERRORS))
def test_validate(error: str, bundle: BundleFactory, deny: DenyFactory) -> None:
    result = deny(error, "openat2,fsopen").ok("validate", bundle())
    for call in ("openat2", "fsopen"):
        assert f"{call} (of Linux {CALLS[call]} and later) is needed to " in result.stdout + result.stderr


@pytest.mark.parametrize("error", list(ERRORS))
def test_mounts_add(error: str, bundle: BundleFactory, pyrunc: Pyrunc, deny: DenyFactory) -> None:
    container_id, _ = pyrunc.create(bundle("exit 0"))
    mount = '[{"destination": "/tmp", "type": "tmpfs", "source": "t"}]'
    denied = deny(error, "fsopen")
    assert_names(denied("mounts", "add", container_id, "-", input=mount), "fsopen", error)
    pyrunc.ok("mounts", "add", container_id, "-", input=mount)
