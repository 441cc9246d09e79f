"""runtime.md#create, #start, #kill, #delete, #lifecycle and #errors."""

import time

import pytest

from conformance.command import Runtime
from conformance.requirement import MUST, also, answer, check, drop, forgive, garble, refuse, skip
from tests.support import processes

SLEEP = ("/bin/sleep", "1000")


def created(oci: Runtime, *args: str) -> str:
    """The id of a created container."""
    return oci.create(oci.bundle(args or SLEEP))[0]


def running(oci: Runtime, *args: str) -> str:
    """The id of a running container."""
    name = created(oci, *args)
    oci.ok("start", name)
    return name


@check(110, MUST, "runtime.md#create", "create without an id is an error", forgive("create"))
def test_create_without_id(oci: Runtime) -> None:
    assert oci("create", "--bundle", oci.bundle(SLEEP)).returncode != 0


@check(111, MUST, "runtime.md#create", "create without a bundle at the path is an error", forgive("create"))
def test_create_without_bundle(oci: Runtime) -> None:
    name = oci.new_id()
    assert oci("create", "--bundle", oci.folder / "missing", name).returncode != 0
    assert oci("state", name).returncode != 0


@check(
    112,
    MUST,
    "runtime.md#create",
    "an id that is in use is an error, and the container that has it stays as it is",
    forgive("create"),
    also("create", 'case $(ls "$BUNDLE") in *second*) $RUNTIME delete --force "$ID";; esac'),
)
def test_unique_id(oci: Runtime) -> None:
    name = created(oci)
    before = oci.state(name)
    second = oci.bundle(SLEEP)
    (second.path / "second").touch()
    assert oci("create", "--bundle", second, name).returncode != 0
    assert oci.state(name) == before


@check(113, MUST, "runtime.md#create", "an id that is no valid one is an error", forgive("create"))
def test_invalid_id(oci: Runtime) -> None:
    made = oci.bundle(SLEEP)
    for name in ("../escape", "a/b", ""):
        assert oci("create", "--bundle", made, name).returncode != 0, name
    assert oci.containers() == []


@check(
    114,
    MUST,
    "runtime.md#create",
    "create does not run the user's program",
    also("create", '$RUNTIME start "$ID"; sleep 0.3'),
)
def test_not_started(oci: Runtime) -> None:
    made = oci.bundle("touch /started")
    oci.create(made)
    time.sleep(0.2)
    assert not (made.rootfs / "started").exists()


@check(115, MUST, "runtime.md#create", "after create the status is created", also("create", '$RUNTIME start "$ID"'))
def test_created(oci: Runtime) -> None:
    assert oci.state(created(oci))["status"] == "created"


@check(
    116,
    MUST,
    "runtime.md#lifecycle",
    "changes of config.json after create have no effect",
    also("create", 'touch "$BUNDLE/rootfs/changed"'),
)
def test_later_changes(oci: Runtime) -> None:
    made = oci.bundle("touch /original; sleep 1000")
    name, _ = oci.create(made)
    made.config["process"]["args"] = ["/bin/touch", "/changed"]
    made.save()
    oci.ok("start", name)
    processes.wait_until((made.rootfs / "original").exists, "the program of create's configuration")
    assert not (made.rootfs / "changed").exists()


@check(
    117,
    MUST,
    "runtime.md#lifecycle",
    "what cannot be made as configured is an error of create",
    forgive("create"),
    drop("/mounts/0"),
)
def test_impossible(oci: Runtime) -> None:
    made = oci.bundle(SLEEP)
    made.config["mounts"].insert(0, {"destination": "/x", "type": "bind", "source": "/no/such", "options": ["bind"]})
    oci.refuses(made)


@check(
    118,
    MUST,
    "runtime.md#errors",
    "a create that fails leaves nothing: the id can be used at once",
    also("create", 'sed -i s/missing/rootfs/ "$BUNDLE/config.json" && $RUNTIME create --bundle "$BUNDLE" "$ID"'),
)
def test_failure_leaves_nothing(oci: Runtime) -> None:
    name = oci.new_id()
    assert oci("create", "--bundle", oci.bundle(SLEEP, root={"path": "missing"}), name).returncode != 0
    assert name not in oci.containers()
    oci.ok("create", "--bundle", oci.bundle(SLEEP), name)


@check(120, MUST, "runtime.md#start", "start without an id is an error", forgive("start"))
def test_start_without_id(oci: Runtime) -> None:
    assert oci("start").returncode != 0


@check(121, MUST, "runtime.md#start", "start of a container that is not there is an error", forgive("start"))
def test_start_of_nothing(oci: Runtime) -> None:
    assert oci("start", oci.new_id()).returncode != 0


@check(
    122,
    MUST,
    "runtime.md#start",
    "start of a running container is an error and has no effect on it",
    forgive("start"),
    also("start", '$RUNTIME kill "$ID" KILL'),
)
def test_start_twice(oci: Runtime) -> None:
    name = running(oci)
    before = oci.state(name)
    assert before["status"] == "running"
    assert oci("start", name).returncode != 0
    assert oci.state(name) == before


@check(
    123,
    MUST,
    "runtime.md#start",
    "start runs the program of the configuration",
    skip("start"),
    garble("/process/args", ["/bin/true"]),
)
def test_start_runs(oci: Runtime) -> None:
    made = oci.bundle("touch /started; sleep 1000")
    name, _ = oci.create(made)
    oci.ok("start", name)
    processes.wait_until((made.rootfs / "started").exists, "the program to run", 3)


@check(124, MUST, "runtime.md#start", "after start the status is running", skip("start"))
def test_started(oci: Runtime) -> None:
    assert oci.state(running(oci))["status"] == "running"


@check(125, MUST, "runtime.md#start", "start of a stopped container is an error", forgive("start"))
def test_start_of_stopped(oci: Runtime) -> None:
    name = running(oci, "/bin/true")
    oci.wait_status(name, "stopped")
    assert oci("start", name).returncode != 0
    assert oci.state(name)["status"] == "stopped"


@check(130, MUST, "runtime.md#kill", "kill without an id is an error", forgive("kill"))
def test_kill_without_id(oci: Runtime) -> None:
    assert oci("kill").returncode != 0


@check(131, MUST, "runtime.md#kill", "kill of a container that is not there is an error", forgive("kill"))
def test_kill_of_nothing(oci: Runtime) -> None:
    assert oci("kill", oci.new_id(), "TERM").returncode != 0


@check(132, MUST, "runtime.md#kill", "kill of a stopped container is an error", forgive("kill"))
def test_kill_of_stopped(oci: Runtime) -> None:
    name = running(oci, "/bin/true")
    oci.wait_status(name, "stopped")
    assert oci("kill", name, "TERM").returncode != 0


@check(133, MUST, "runtime.md#kill", "kill of a created container sends the signal", skip("kill"), refuse("kill"))
def test_kill_of_created(oci: Runtime) -> None:
    name = created(oci)
    oci.ok("kill", name, "KILL")
    oci.wait_status(name, "stopped", 3)


@pytest.mark.parametrize("signal", ["USR1", "SIGUSR1", "10"])
@check(134, MUST, "runtime.md#kill", "kill sends the very signal that it names", skip("kill"))
def test_kill_signal(oci: Runtime, signal: str) -> None:
    made = oci.bundle(
        "trap 'touch /got-usr1' USR1; trap 'touch /got-term' TERM; touch /ready; while :; do sleep 0.05; done"
    )
    name, _ = oci.create(made)
    oci.ok("start", name)
    processes.wait_until((made.rootfs / "ready").exists, "the trap")
    oci.ok("kill", name, signal)
    processes.wait_until((made.rootfs / "got-usr1").exists, "the signal", 3)
    assert not (made.rootfs / "got-term").exists()


@check(
    135,
    MUST,
    "runtime.md#kill",
    "a process that has ended makes the status stopped",
    answer("state", "/status", "running"),
    skip("start"),
)
def test_stopped(oci: Runtime) -> None:
    name = running(oci, "/bin/true")
    oci.wait_status(name, "stopped", 3)


@check(140, MUST, "runtime.md#delete", "delete without an id is an error", forgive("delete"))
def test_delete_without_id(oci: Runtime) -> None:
    assert oci("delete").returncode != 0


@check(141, MUST, "runtime.md#delete", "delete of a container that is not there is an error", forgive("delete"))
def test_delete_of_nothing(oci: Runtime) -> None:
    assert oci("delete", oci.new_id()).returncode != 0


@check(142, MUST, "runtime.md#delete", "delete of a running container is an error and has no effect", forgive("delete"),
       also("delete", '$RUNTIME delete --force "$ID"'))  # fmt: skip
def test_delete_of_running(oci: Runtime) -> None:
    name = running(oci)
    assert oci("delete", name).returncode != 0
    assert oci.state(name)["status"] == "running"


@check(143, MUST, "runtime.md#delete", "delete removes the container and its processes", skip("delete"))
def test_delete(oci: Runtime) -> None:
    name = created(oci)
    pid = oci.state(name)["pid"]
    oci.ok("kill", name, "KILL")
    oci.wait_status(name, "stopped")
    oci.ok("delete", name)
    assert oci("state", name).returncode != 0
    assert not processes.alive(pid)


@check(144, MUST, "runtime.md#delete", "an id can be used again after delete", skip("delete"))
def test_id_again(oci: Runtime) -> None:
    name = running(oci, "/bin/true")
    oci.wait_status(name, "stopped")
    oci.ok("delete", name)
    oci.ok("create", "--bundle", oci.bundle(SLEEP), name)


@check(
    145,
    MUST,
    "runtime.md#delete",
    "delete leaves what the container did not make: its bundle",
    also("delete", 'rm -r "$BUNDLE/rootfs/bin"'),
    also("delete", 'rm "$BUNDLE/config.json"'),
)
def test_delete_keeps(oci: Runtime) -> None:
    made = oci.bundle()
    name, _ = oci.create(made)
    oci.ok("start", name)
    oci.wait_status(name, "stopped")
    oci.ok("delete", name, cwd=made.path)
    assert (made.path / "config.json").exists()
    assert (made.rootfs / "bin/busybox").exists()
