"""SCMP_ACT_NOTIFY: the agent gets its descriptor and the exact state, and its answers are the system calls' results."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunc.spec.rules import SPEC_VERSION
from tests.support.bundles import Bundle, BundleFactory
from tests.support.processes import wait_until
from tests.support.runtime import Pyrunc
from tests.support.seccomp_agent import SeccompAgent

pytestmark = pytest.mark.root

# What the helper itself calls after it has loaded the filter, or would if it handed the descriptor over by itself.
OWN_CALLS = ["write", "sendmsg", "sendto", "read", "recvmsg", "recvfrom", "capset", "execve", "close", "exit_group"]
TRY_MKDIR = "mkdir /tmp/x 2>/dev/null; echo $?"


def notify(agent: Path, *names: str, **more: Any) -> dict[str, Any]:
    """A profile that leaves these system calls to the agent."""
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(agent),
        "syscalls": [{"names": [*names], "action": "SCMP_ACT_NOTIFY"}] if names else [],
        **more,
    }


@pytest.fixture
def agent(folder: Path) -> Iterator[SeccompAgent]:
    """An agent at agent.sock in the folder that lets everything pass."""
    with SeccompAgent(folder / "agent.sock") as running:
        yield running


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "agent.sock"


def with_profile(bundle: Bundle, profile: dict[str, Any], **process: Any) -> Bundle:
    bundle.config["linux"]["seccomp"] = profile
    bundle.config["process"].update(process)
    return bundle.save()


def test_the_agents_answer_is_the_result(
    agent: SeccompAgent, path: Path, bundle: BundleFactory, pyrunc: Pyrunc
) -> None:
    """The program gets the errno that the agent says, and one connection has brought one descriptor."""
    agent.answer = lambda number: (0, errno.EXDEV, 0)
    made = with_profile(bundle("mkdir /tmp/x"), notify(path, "mkdir"))
    result = pyrunc.run(made)
    assert result.stderr == "mkdir: can't create directory '/tmp/x': Invalid cross-device link\n"
    assert agent.connections == [(1, True)]
    assert len(agent.calls) == 1


def test_the_state_of_create_and_start(agent: SeccompAgent, path: Path, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Nothing is sent before `start`; then the state is exact."""
    made = with_profile(bundle(["/bin/sleep", "60"]), notify(path, "mkdir", listenerMetadata="a b\n\u00e9"))
    made.config["annotations"] = {"org.example": "x"}
    id, _ = pyrunc.create(made.save())
    assert agent.states == []
    pid = pyrunc.state(id)["pid"]
    pyrunc.ok("start", id)
    wait_until(lambda: agent.states, "the state")  # `start` waits for no agent
    assert agent.states == [
        {
            "ociVersion": SPEC_VERSION,
            "fds": ["seccompFd"],
            "pid": pid,
            "metadata": "a b\n\u00e9",
            "state": {
                "ociVersion": made.config["ociVersion"],
                "id": id,
                "status": "created",
                "pid": pid,
                "bundle": str(made),
                "annotations": {"org.example": "x"},
            },
        }
    ]


def test_the_state_of_exec(
    agent: SeccompAgent, path: Path, bundle: BundleFactory, pyrunc: Pyrunc, folder: Path
) -> None:
    """An exec's process has a filter, and with it a descriptor, of its own; the state is the container's."""
    made = with_profile(bundle(["/bin/sleep", "60"]), notify(path, "mkdir"))
    id, _ = pyrunc.create(made)
    pyrunc.ok("start", id)
    agent.answer = lambda number: (0, errno.EXDEV, 0)
    pid_file = folder / "exec.pid"
    result = pyrunc("exec", "--pid-file", str(pid_file), id, "/bin/mkdir", "/tmp/x")
    assert "Invalid cross-device link" in result.stderr
    first, second = agent.states
    assert "metadata" not in second
    assert second["pid"] == int(pid_file.read_text()) != first["pid"]
    assert second["state"] == {**first["state"], "status": "running"}
    assert [index for index, *_ in agent.calls] == [1]


@pytest.mark.parametrize("no_new_privs", [True, False])
@pytest.mark.parametrize("everything", [False, True], ids=["own calls", "by default"])
def test_no_call_of_ours_waits_for_an_agent_that_is_not_there_yet(
    agent: SeccompAgent, path: Path, bundle: BundleFactory, pyrunc: Pyrunc, everything: bool, no_new_privs: bool
) -> None:
    """The filter may leave everything to the agent, what the helper does with it loaded among it."""
    profile = notify(path, *([] if everything else OWN_CALLS))
    if everything:
        profile["defaultAction"] = "SCMP_ACT_NOTIFY"
    made = with_profile(bundle(["/bin/echo", "hello"]), profile, noNewPrivileges=no_new_privs)
    result = pyrunc.run(made)
    assert (result.returncode, result.stdout) == (0, "hello\n")
    capset = 126 if os.uname().machine == "x86_64" else 91
    assert (capset in [number for *_, number in agent.calls]) is not no_new_privs


def test_a_filter_that_refuses_what_handing_over_takes(
    agent: SeccompAgent, path: Path, bundle: BundleFactory, pyrunc: Pyrunc
) -> None:
    """The thread that hands the descriptor over has no filter."""
    profile = notify(path, "mkdir")
    names = ["sendmsg", "recvmsg", "recvfrom", "nanosleep", "clock_nanosleep", "exit", "futex", "munmap", "openat2"]
    profile["syscalls"].append({"names": names, "action": "SCMP_ACT_KILL_PROCESS"})
    result = pyrunc.run(with_profile(bundle(TRY_MKDIR), profile))
    assert (result.returncode, len(agent.states)) == (0, 1)


def test_killable_waiting(agent: SeccompAgent, path: Path, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV goes to the kernel with the listener."""
    flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"]
    made = with_profile(bundle(TRY_MKDIR), notify(path, "mkdir", flags=flags))
    made.config["root"]["readonly"] = False
    assert pyrunc.run(made.save()).stdout == "0\n"
    assert len(agent.calls) == 1


def test_a_relative_path_begins_in_the_bundle(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(TRY_MKDIR)
    with SeccompAgent(made.path / "here.sock") as agent:
        with_profile(made, notify(Path("here.sock"), "mkdir"))
        pyrunc.run(made, cwd="/")
        assert len(agent.calls) == 1


def test_a_path_that_no_rule_uses_has_no_effect(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = with_profile(bundle(["/bin/true"]), notify(Path("/nowhere/agent.sock")))
    assert pyrunc.run(made).returncode == 0


def test_an_agent_that_has_gone_before_start(bundle: BundleFactory, pyrunc: Pyrunc, path: Path) -> None:
    """`start` fails, and the program has not run."""
    made = with_profile(bundle("echo ran"), notify(path, "mkdir"))
    with SeccompAgent(path):
        id, created = pyrunc.create(made)
    result = pyrunc("start", id)
    assert result.stderr == (
        f"pyrunc start failed: {id}: linux.seccomp.listenerPath: seccomp agent {path}: connect {path}: "
        "connection refused\n"
    )
    assert pyrunc.state(id)["status"] == "stopped"
    assert created.stdout == ""
    pyrunc.ok("delete", id)


def test_an_agent_that_does_not_accept(bundle: BundleFactory, pyrunc: Pyrunc, path: Path) -> None:
    """Ten seconds are enough; nothing waits for ever."""
    made = with_profile(bundle("echo ran"), notify(path, "mkdir"))
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as queued:
        deaf.bind(str(path))
        deaf.listen(0)
        queued.connect(str(path))
        result = pyrunc.run(made)
    assert result.returncode == 1
    assert "whoever listens there has not taken it for 10 s" in result.stderr
    assert result.stdout == ""
    assert pyrunc.containers() == []


def test_an_agent_that_ends(path: Path, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Nobody else holds the descriptor: with the agent gone the kernel answers ENOSYS, at once."""
    made = bundle("while [ ! -e /go ]; do sleep 0.02; done; mkdir /tmp/x")
    made.config["root"]["readonly"] = False
    with_profile(made, notify(path, "mkdir"))
    with SeccompAgent(path):
        id, created = pyrunc.create(made)
        pyrunc.ok("start", id)
    (made.rootfs / "go").touch()
    pyrunc.wait_status(id, "stopped")
    assert created.stderr == "mkdir: can't create directory '/tmp/x': Function not implemented\n"
    pyrunc.ok("delete", id)


def test_the_process_is_killed_while_the_agent_thinks(path: Path, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """`start` waits for an exec that the agent has not answered; `kill` ends both."""
    made = with_profile(bundle(["/bin/true"]), notify(path, "execve"))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        id, _ = pyrunc.create(made)
        start = pyrunc.popen("start", id)
        connection = silent.accept()[0]
        _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        wait_until(lambda: "seccomp" in Path(f"/proc/{pyrunc.state(id)['pid']}/wchan").read_text(), "the notification")
        pyrunc.ok("kill", id, "KILL")
        start.wait(20)
        os.close(fds[0])
        connection.close()
    pyrunc.wait_status(id, "stopped")
