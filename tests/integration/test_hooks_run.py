"""Hooks as real processes: order, input, output, environment, failures."""

import os
import re
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc import hooks, syscalls
from pyrunc.errors import PyruncError
from tests.support.hook_scripts import STATE, STATE_JSON, Script, failure, leaving_nothing, run, scripts

CLONE_NEWPID = 0x20000000


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Every test must leave no child and no descriptor behind."""
    with leaving_nothing():
        yield


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes a hook from the body of a shell script."""
    return scripts(tmp_path)


def test_hooks_run_in_the_order_listed(script: Script, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(*[script(f"sleep 0.0{5 - i}; echo {i} >> {log}") for i in range(5)])
    assert log.read_text() == "0\n1\n2\n3\n4\n"


def test_the_state_is_on_standard_input_to_its_end(script: Script, tmp_path: Path) -> None:
    run(script(f"cat > {tmp_path}/state"))
    assert (tmp_path / "state").read_text() == STATE_JSON


def test_a_state_larger_than_a_pipe_arrives_whole(script: Script, tmp_path: Path) -> None:
    state = {**STATE, "annotations": {"big": "x" * 3_000_000}}
    # It also prints as much as it reads, while we write: neither side may wait for the other.
    hook = script(f"tee {tmp_path}/state")
    hooks.run_hooks([hook], state, "poststart", container_id="c")  # type: ignore[list-item]
    assert (tmp_path / "state").stat().st_size > 3_000_000


@pytest.mark.parametrize("disposition", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_hook_that_does_not_read_is_fine(script: Script, disposition: signal.Handlers) -> None:
    state = {**STATE, "annotations": {"big": "x" * 1_000_000}}
    before = signal.signal(signal.SIGPIPE, disposition)
    try:
        hook = script("exec 0<&-; sleep 0.05")
        hooks.run_hooks([hook, script("true")], state, "poststart", container_id="c")  # type: ignore[list-item]
        assert signal.SIGPIPE not in signal.sigpending()
        assert signal.SIGPIPE not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_arguments_are_the_hooks_own(script: Script, tmp_path: Path) -> None:
    hook: dict[str, object] = {
        "path": "/bin/sh",
        "args": ["any name", "-c", f'echo "$0 $@" > {tmp_path}/args', "zero", "a b", ""],
    }
    run(hook)
    assert (tmp_path / "args").read_text() == "zero a b \n"


def test_without_args_the_first_argument_is_the_path(script: Script, tmp_path: Path) -> None:
    hook = script(f'echo "$0 $#" > {tmp_path}/args')
    run(hook)
    assert (tmp_path / "args").read_text() == f"{hook['path']} 0\n"


def environment(tmp_path: Path, hook: dict[str, object], **options: object) -> list[str]:
    run({"path": "/bin/sh", "args": ["sh", "-c", f"exec /usr/bin/env > {tmp_path}/env"], **hook}, **options)
    # The shell adds these by itself.
    lines = (tmp_path / "env").read_text().splitlines()
    return [line for line in lines if not re.match("(PWD|SHLVL|_|OLDPWD)=", line)]


def test_the_environment_is_the_hooks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRUNC_TEST_LEAK", "1")
    assert environment(tmp_path, {}) == []
    assert environment(tmp_path, {"env": ["A=1", "B=x y"]}) == ["A=1", "B=x y"]


def test_a_default_environment_is_for_hooks_without_one(tmp_path: Path) -> None:
    assert environment(tmp_path, {}, default_env=["D=1"]) == ["D=1"]
    assert environment(tmp_path, {"env": []}, default_env=["D=1"]) == []


def test_the_working_directory(script: Script, tmp_path: Path) -> None:
    run(script(f"pwd > {tmp_path}/one"))
    run(script(f"pwd > {tmp_path}/two"), cwd=str(tmp_path))
    assert (tmp_path / "one").read_text() == f"{os.getcwd()}\n"
    assert (tmp_path / "two").read_text() == f"{tmp_path}\n"
    error = failure(script("true"), cwd=f"{tmp_path}/missing")
    assert str(error) == (
        f"hooks.createRuntime: open the directory that hooks start in: {tmp_path}/missing: no such file or directory"
    )


def test_no_descriptor_signal_or_group_is_inherited(script: Script, tmp_path: Path) -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        commands = (
            "cat /proc/self/status > status",
            "ls /proc/self/fd > fds",
            "ps -o pgid= $$ > group",
            "echo $$ >> group",
        )
        run(script("; ".join(commands), env=["PATH=/bin"]), cwd=str(tmp_path))
        assert os.get_inheritable(leak), "our own descriptors are not to be changed"
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        os.close(leak)
    status = (tmp_path / "status").read_text()
    assert re.search(r"^SigBlk:\s0+$", status, re.M)
    assert re.search(r"^SigIgn:\s0+$", status, re.M)
    # 3 is the directory that ls itself reads.
    assert (tmp_path / "fds").read_text().split() == ["0", "1", "2", "3"]
    group, pid = (tmp_path / "group").read_text().split()
    assert group == pid


def test_it_works_when_the_standard_descriptors_are_closed(script: Script, tmp_path: Path) -> None:
    hook = script(f"cat > {tmp_path}/state; echo out; echo err >&2; exit 1")
    child = os.fork()
    if child == 0:
        for fd in range(3):
            os.close(fd)
        try:
            run(hook)
        except PyruncError as error:
            os._exit(0 if error.reason.endswith("exit status 1, stdout: out, stderr: err") else 2)
        os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "state").read_text() == STATE_JSON


def test_it_works_where_nothing_can_be_imported(script: Script, tmp_path: Path) -> None:
    hook, bad = script(f"cat > {tmp_path}/state"), script("echo caf\\\\351; exit 4")
    child = os.fork()
    if child == 0:
        sys.meta_path.clear()
        sys.path_hooks.clear()
        sys.path.clear()
        try:
            run(hook, bad, {"path": "/nonexistent"})
        except PyruncError as error:
            os._exit(0 if "exit status 4" in str(error) else 2)
        os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "state").exists()


@pytest.mark.root
def test_it_works_from_beside_a_pid_namespace(script: Script, tmp_path: Path) -> None:
    # As the builder is: its children are in the container's pid namespace, it is not.
    hook = script(f"echo $$ > {tmp_path}/pid; sleep 60 & exit 7", timeout=30)
    child = os.fork()
    if child == 0:
        syscalls.unshare(CLONE_NEWPID)
        try:
            run(hook)
        except PyruncError as error:
            os._exit(0 if "exit status 7" in str(error) else 2)
        os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "pid").read_text() == "1\n"


# Failures


def test_the_first_failure_stops(script: Script, tmp_path: Path) -> None:
    bad = script("echo to out; echo to err >&2; exit 3")
    error = failure(script("true"), bad, script(f"touch {tmp_path}/ran"))
    assert error.reason == "error running createRuntime hook #1: exit status 3, stdout: to out, stderr: to err"
    assert error.place == "hooks.createRuntime[1]"
    assert error.operation == f"hook {bad['path']} of container pyrunc-test-hooks"
    assert not (tmp_path / "ran").exists()


def test_keep_going_runs_all_and_gives_the_failures_back(script: Script, tmp_path: Path) -> None:
    errors = run(
        script("exit 1"), {"path": "/nonexistent"}, script(f"touch {tmp_path}/ran"), script("exit 2"), keep_going=True
    )
    assert [error.place for error in errors] == [f"hooks.createRuntime[{i}]" for i in (0, 1, 3)]
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("signal_name", "words"), [("KILL", "killed"), ("TERM", "terminated"), ("SEGV", "segmentation fault")]
)
def test_death_by_signal(script: Script, signal_name: str, words: str) -> None:
    error = failure(script(f"ulimit -c 0; kill -{signal_name} $$"))
    assert error.reason == f"error running createRuntime hook #0: signal: {words}, stdout: , stderr: "


def test_a_program_that_is_missing(tmp_path: Path) -> None:
    error = failure({"path": f"{tmp_path}/missing"})
    assert error.reason == (
        f"error running createRuntime hook #0: fork/exec {tmp_path}/missing: no such file or directory"
    )


def test_a_program_that_may_not_be_executed(script: Script) -> None:
    hook = script("true")
    os.chmod(str(hook["path"]), 0o644)
    assert failure(hook).reason.endswith(f"fork/exec {hook['path']}: permission denied")


def test_a_program_that_is_a_directory(tmp_path: Path) -> None:
    assert failure({"path": str(tmp_path)}).reason.endswith(": permission denied")


def test_a_script_without_a_first_line(script: Script) -> None:
    hook = script("true")
    Path(str(hook["path"])).write_text("true\n")
    error = failure(hook)
    assert error.reason.endswith(": exec format error")
    assert "#!" in error.hint


def test_a_nul_does_not_cut_an_argument(script: Script) -> None:
    assert "invalid argument" in failure({"path": "/bin/true\0x"}).reason
    assert "invalid argument" in failure({"path": "/bin/true", "args": ["true", "a\0b"]}).reason


def test_no_descriptors_left(script: Script) -> None:
    hook = script("true")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    # From none to all: two for each of three pipes, and the three copies that the child makes.
    for spare in range(10):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
        try:
            errors = run(hook, keep_going=True)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert all("too many open files" in error.reason for error in errors)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    assert not errors, "with enough descriptors it runs"
