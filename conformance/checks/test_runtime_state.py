"""runtime.md#state and #operations: what `state` says, and what it refuses."""

import json
import os

from conformance.command import Runtime
from conformance.requirement import MUST, answer, check, drop, forgive, unanswered
from tests.support import processes

SLEEP = ("/bin/sleep", "1000")


@check(
    100,
    MUST,
    "runtime.md#state",
    "the state has ociVersion, id, status and bundle",
    unanswered("state", "/ociVersion"),
    unanswered("state", "/id"),
    unanswered("state", "/status"),
    unanswered("state", "/bundle"),
)
def test_fields(oci: Runtime) -> None:
    made = oci.bundle(SLEEP)
    name, _ = oci.create(made)
    state = oci.state(name)
    assert {"ociVersion", "id", "status", "bundle"} <= set(state)


@check(101, MUST, "runtime.md#state", "id is the container's id", answer("state", "/id", "another"))
def test_id(oci: Runtime) -> None:
    name, _ = oci.create(oci.bundle(SLEEP))
    assert oci.state(name)["id"] == name


@check(
    102,
    MUST,
    "runtime.md#state",
    "bundle is the absolute path of the bundle",
    answer("state", "/bundle", "bundle-1"),
)
def test_bundle(oci: Runtime) -> None:
    made = oci.bundle(SLEEP)
    name = oci.new_id()
    oci.ok("create", "--bundle", ".", name, cwd=made.path)
    assert oci.state(name)["bundle"] == str(made.path)


@check(
    103,
    MUST,
    "runtime.md#state",
    "pid is the container's process as the host sees it, when created and when running",
    unanswered("state", "/pid"),
    answer("state", "/pid", 1),
)
def test_pid(oci: Runtime) -> None:
    name, _ = oci.create(oci.bundle(SLEEP))
    created = oci.state(name)["pid"]
    assert os.readlink(f"/proc/{created}/ns/uts") != os.readlink("/proc/self/ns/uts"), "not a process of the container"
    oci.ok("start", name)
    assert oci.state(name)["pid"] == created
    processes.wait_until(lambda: "sleep" in processes.name_of(created), "the container's program")


@check(
    104,
    MUST,
    "runtime.md#state",
    "status is created, then running, then stopped",
    answer("state", "/status", "created"),
    answer("state", "/status", "running"),
    answer("state", "/status", "stopped"),
)
def test_status(oci: Runtime) -> None:
    name, _ = oci.create(oci.bundle(SLEEP))
    assert oci.state(name)["status"] == "created"
    oci.ok("start", name)
    assert oci.state(name)["status"] == "running"
    oci.ok("kill", name, "KILL")
    oci.wait_status(name, "stopped")


@check(
    105,
    MUST,
    "runtime.md#state",
    "annotations are those of the configuration",
    drop("/annotations"),
    unanswered("state", "/annotations"),
)
def test_annotations(oci: Runtime) -> None:
    annotations = {"org.example.key": "value", "org.example.empty": ""}
    name, _ = oci.create(oci.bundle(SLEEP, annotations=annotations))
    assert oci.state(name).get("annotations") == annotations


@check(106, MUST, "runtime.md#query-state", "state without a container's id is an error", forgive("state"))
def test_state_without_id(oci: Runtime) -> None:
    assert oci("state").returncode != 0


@check(107, MUST, "runtime.md#query-state", "state of a container that is not there is an error", forgive("state"))
def test_state_of_nothing(oci: Runtime) -> None:
    assert oci("state", oci.new_id()).returncode != 0


@check(108, MUST, "runtime.md#state", "the state is one JSON object", unanswered("state", "/id"))
def test_json(oci: Runtime) -> None:
    name, _ = oci.create(oci.bundle(SLEEP))
    state = json.loads(oci.ok("state", name).stdout)
    assert isinstance(state, dict)
    assert isinstance(state.get("id"), str)
