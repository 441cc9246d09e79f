"""config.md#posix-platform-hooks and the order of runtime.md#lifecycle."""

import json
from pathlib import Path
from typing import Any

from conformance.command import Runtime
from conformance.requirement import MUST, Break, also, check, drop, forgive, garble
from tests.support import processes
from tests.support.bundles import Bundle

RUNTIME_HOOKS = ("prestart", "createRuntime", "poststart", "poststop")
CONTAINER_HOOKS = ("createContainer", "startContainer")
KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def noting(made: Bundle, *kinds: str, script: str = "") -> Bundle:
    """The bundle with hooks that write what they are told to /KIND.json below the root, and their kind to /order.

    Hooks of the container's file system are looked for there (startContainer), the others on the host.
    """
    hooks: dict[str, Any] = {}
    for kind in kinds:
        folder = "" if kind == "startContainer" else str(made.rootfs)
        command = f"cat > {folder}/{kind}.json; echo {kind} >> {folder}/order; {script}"
        hooks[kind] = [{"path": "/bin/sh", "args": ["sh", "-c", command], "env": ["PATH=/bin:/usr/bin"]}]
    made.config["hooks"] = hooks
    return made.save()


def life(oci: Runtime, made: Bundle) -> str:
    """Creates, starts, waits for the end, deletes; the id."""
    name, _ = oci.create(made)
    oci.ok("start", name)
    oci.wait_status(name, "stopped")
    oci.ok("delete", name)
    return name


def without(kind: str) -> Break:
    """The runtime does not run these hooks."""
    return drop(f"/hooks/{kind}")


@check(
    300,
    MUST,
    "runtime.md#lifecycle",
    "prestart, createRuntime, createContainer, startContainer, poststart and poststop run in this order",
    *(without(kind) for kind in KINDS),
)
def test_order(oci: Runtime) -> None:
    made = noting(oci.bundle("echo program >> /order; sleep 0.3"), *KINDS)
    life(oci, made)
    order = (made.rootfs / "order").read_text().split()
    # The program and poststart run at the same time.
    assert [word for word in order if word != "program"] == list(KINDS)
    assert order.index("startContainer") < order.index("program")


@check(
    301,
    MUST,
    "runtime.md#lifecycle",
    "create runs prestart, createRuntime and createContainer, and not the others",
    without("createRuntime"),
    also("create", '$RUNTIME start "$ID"'),
)
def test_create_hooks(oci: Runtime) -> None:
    made = noting(oci.bundle(("/bin/sleep", "1000")), *KINDS)
    oci.create(made)
    assert (made.rootfs / "order").read_text().split() == ["prestart", "createRuntime", "createContainer"]


@check(
    302,
    MUST,
    "config.md#posix-platform-hooks",
    "a hook reads the state on its stdin",
    *(without(kind) for kind in KINDS),
)
def test_state(oci: Runtime) -> None:
    made = noting(oci.bundle("sleep 0.3"), *KINDS)
    name = life(oci, made)
    for kind in KINDS:
        state = json.loads((made.rootfs / f"{kind}.json").read_text())
        assert state["id"] == name, kind
        assert state["bundle"] == str(made.path), kind
        assert "ociVersion" in state, kind


@check(
    303,
    MUST,
    "runtime.md#state",
    "the status that hooks read is creating, created, running or stopped, as it is",
    without("createRuntime"),
    without("poststart"),
    without("poststop"),
)
def test_status(oci: Runtime) -> None:
    made = noting(oci.bundle("sleep 0.3"), *KINDS)
    life(oci, made)
    told = {kind: json.loads((made.rootfs / f"{kind}.json").read_text())["status"] for kind in KINDS}
    assert told["createRuntime"] in ("creating", "created")
    assert told["createContainer"] in ("creating", "created")
    assert told["startContainer"] == "created"
    assert told["poststart"] == "running"
    assert told["poststop"] == "stopped"


@check(
    304,
    MUST,
    "config.md#createruntime-hooks",
    "prestart, createRuntime, poststart and poststop run in the runtime's namespaces",
    *(without(kind) for kind in RUNTIME_HOOKS),
)
def test_runtime_namespace(oci: Runtime) -> None:
    made = oci.bundle("sleep 0.3")
    script = f"readlink /proc/self/ns/uts > {made.rootfs}/uts-$KIND"
    noting(made, *RUNTIME_HOOKS)
    for kind in RUNTIME_HOOKS:
        entry = made.config["hooks"][kind][0]
        entry["args"] = ["sh", "-c", script]
        entry["env"].append(f"KIND={kind}")
    life(oci, made.save())
    ours = Path("/proc/self/ns/uts").readlink()
    assert {kind: (made.rootfs / f"uts-{kind}").read_text().strip() for kind in RUNTIME_HOOKS} == dict.fromkeys(
        RUNTIME_HOOKS, str(ours)
    )


@check(
    305,
    MUST,
    "config.md#createcontainer-hooks",
    "createContainer hooks run in the container's namespaces, found on the host",
    without("createContainer"),
)
def test_create_container_namespace(oci: Runtime) -> None:
    made = noting(oci.bundle(("/bin/sleep", "1000")), "createContainer")
    script = f"hostname > {made.rootfs}/name"
    made.config["hostname"] = "inside"
    made.config["hooks"]["createContainer"][0]["args"] = [
        "sh",
        "-c",
        f"readlink /proc/self/ns/net > {made.rootfs}/net; {script}",
    ]
    oci.create(made.save())
    assert (made.rootfs / "net").read_text().strip() != str(Path("/proc/self/ns/net").readlink())


@check(
    306,
    MUST,
    "config.md#startcontainer-hooks",
    "startContainer hooks are found and run in the container",
    without("startContainer"),
)
def test_start_container(oci: Runtime) -> None:
    made = oci.bundle(("/bin/true",))
    (made.rootfs / "only-inside").write_text("#!/bin/sh\necho ran > /ran\n")
    (made.rootfs / "only-inside").chmod(0o755)
    made.config["hooks"] = {"startContainer": [{"path": "/only-inside"}]}
    assert oci.run(made.save()).returncode == 0
    assert (made.rootfs / "ran").exists()


@check(
    307,
    MUST,
    "config.md#posix-platform-hooks",
    "a hook has the args and the env of its entry",
    drop("/hooks/createRuntime/0/args"),
    drop("/hooks/createRuntime/0/env"),
)
def test_hook_arguments(oci: Runtime) -> None:
    made = oci.bundle()
    script = f'echo "$0 $1 $MARK" > {made.rootfs}/told'
    entry = {"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"], "env": ["MARK=of-env"]}
    made.config["hooks"] = {"createRuntime": [entry]}
    oci.run(made.save())
    assert (made.rootfs / "told").read_text() == "zero one of-env\n"


@check(
    308,
    MUST,
    "config.md#posix-platform-hooks",
    "hooks of a kind run in the listed order",
    drop("/hooks/createRuntime/1"),
)
def test_list_order(oci: Runtime) -> None:
    made = oci.bundle()
    entries = [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {n} >> {made.rootfs}/order"]} for n in (1, 2, 3)]
    made.config["hooks"] = {"createRuntime": entries}
    oci.run(made.save())
    assert (made.rootfs / "order").read_text().split() == ["1", "2", "3"]


@check(
    309,
    MUST,
    "config.md#posix-platform-hooks",
    "a hook whose path is not absolute is an error",
    forgive("create"),
    drop("/hooks"),
)
def test_relative_path(oci: Runtime) -> None:
    oci.refuses(oci.bundle(hooks={"createRuntime": [{"path": "bin/true"}]}))


@check(
    310,
    MUST,
    "config.md#posix-platform-hooks",
    "a timeout of zero or less is an error",
    forgive("create"),
    drop("/hooks/createRuntime/0/timeout"),
)
def test_bad_timeout(oci: Runtime) -> None:
    oci.refuses(oci.bundle(hooks={"createRuntime": [{"path": "/bin/true", "timeout": 0}]}))


@check(
    311,
    MUST,
    "config.md#posix-platform-hooks",
    "a hook that runs longer than its timeout is ended, and an error",
    drop("/hooks/createRuntime/0/timeout"),
)
def test_timeout(oci: Runtime) -> None:
    made = oci.bundle()
    entry = {"path": "/bin/sh", "args": ["sh", "-c", "exec sleep 4"], "timeout": 1}
    oci.refuses(oci.bundle(hooks={"createRuntime": [entry]}))
    assert made.path.exists()


def failing(kind: str) -> dict[str, Any]:
    """One hook that fails."""
    return {kind: [{"path": "/bin/false"}]}


@check(
    312,
    MUST,
    "runtime.md#lifecycle",
    "a prestart, createRuntime or createContainer hook that fails is an error of create",
    forgive("create"),
    *(without(kind) for kind in ("prestart", "createRuntime", "createContainer")),
)
def test_failing_create_hooks(oci: Runtime) -> None:
    for kind in ("prestart", "createRuntime", "createContainer"):
        oci.refuses(oci.bundle(hooks=failing(kind)))


@check(
    313,
    MUST,
    "runtime.md#lifecycle",
    "a startContainer hook that fails is an error of start, and the program does not run",
    forgive("start"),
    without("startContainer"),
)
def test_failing_start_hook(oci: Runtime) -> None:
    made = oci.bundle("touch /ran; sleep 1000", hooks=failing("startContainer"))
    name, _ = oci.create(made)
    assert oci("start", name).returncode != 0
    assert not (made.rootfs / "ran").exists()
    oci.wait_status(name, "stopped")


@check(
    314,
    MUST,
    "runtime.md#lifecycle",
    "a poststart hook that fails is an error of start, and the container is stopped",
    forgive("start"),
    without("poststart"),
)
def test_failing_poststart_hook(oci: Runtime) -> None:
    oci.needs_version("1.3.0")
    name, _ = oci.create(oci.bundle(("/bin/sleep", "1000"), hooks=failing("poststart")))
    assert oci("start", name).returncode != 0
    state = oci("state", name)
    assert state.returncode != 0 or state.json()["status"] == "stopped"


@check(
    315,
    MUST,
    "runtime.md#lifecycle",
    "a poststop hook that fails is a warning: delete succeeds and the next hook runs",
    without("poststop"),
)
def test_failing_poststop_hook(oci: Runtime) -> None:
    made = oci.bundle()
    after = {"path": "/bin/sh", "args": ["sh", "-c", f"touch {made.rootfs}/after"]}
    made.config["hooks"] = {"poststop": [{"path": "/bin/false"}, after]}
    life(oci, made.save())
    assert (made.rootfs / "after").exists()


@check(
    316,
    MUST,
    "config.md#createruntime-hooks",
    "createRuntime hooks run before pivot_root: they can mount into the root",
    without("createRuntime"),
)
def test_before_pivot(oci: Runtime) -> None:
    made = oci.bundle("test -e /from-hook")
    made.config["hooks"] = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"touch {made.rootfs}/from-hook"]}]
    }
    assert oci.run(made.save()).returncode == 0


@check(
    317,
    MUST,
    "runtime.md#state",
    "the pid that createRuntime hooks read is the host's number of the container's process",
    without("createRuntime"),
)
def test_hook_pid(oci: Runtime) -> None:
    made = noting(oci.bundle(("/bin/sleep", "1000")), "createRuntime")
    name, _ = oci.create(made)
    told = json.loads((made.rootfs / "createRuntime.json").read_text())
    assert told["pid"] == oci.state(name)["pid"]
    assert processes.alive(told["pid"])


@check(
    318,
    MUST,
    "config.md#posix-platform-hooks",
    "a hook that is not there is an error",
    garble("/hooks/createRuntime/0/path", "/bin/true"),
)
def test_missing_hook(oci: Runtime) -> None:
    oci.refuses(oci.bundle(hooks={"createRuntime": [{"path": "/no/such/hook"}]}))
