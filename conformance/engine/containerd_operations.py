"""containerd: what ctr can ask for."""

import json
import shutil
import subprocess

from conformance.engine.base import until
from conformance.engine.containerd import Containerd
from conformance.engine.operation import CannotRun, operation

# Its start can be waited for, as /up is there then.
LOOP = ("sh", "-c", 'trap "exit 7" TERM; touch /tmp/up; while :; do sleep 0.1; done')


@operation("containerd", "run in the foreground", core=True)
def run(engine: Containerd) -> None:
    assert engine.run("echo", "hello") == "hello\n"


@operation("containerd", "run: the exit status")
def status(engine: Containerd) -> None:
    engine.run("sh", "-c", "exit 42", status=42)
    engine.run("/no/such/program", status=1)
    engine.run("/etc/passwd", status=1)


@operation("containerd", "run: the error's words")
def error(engine: Containerd) -> None:
    done = engine.call(*engine.run_arguments("--rm"), engine.new_name(), "no-such-program")
    assert 'exec: "no-such-program": executable file not found in $PATH' in done.stderr, done.stderr


@operation("containerd", "run --tty", core=True)
def terminal(engine: Containerd) -> None:
    command = ("sh", "-c", "sleep 0.3; tty; stty size")
    done = engine.terminal(*engine.run_arguments("--rm", "--tty"), engine.new_name(), *command)
    assert done.returncode == 0, done.stdout
    assert "/dev/pts/0" in done.stdout
    assert "33 77" in done.stdout


@operation("containerd", "run --detach, delete", core=True)
def detached(engine: Containerd) -> None:
    name = engine.detached("sh", "-c", "exit 3")
    engine.wait_state(name, "STOPPED")
    assert engine.end_of(name) == 3
    engine.ok("container", "delete", name)


@operation("containerd", "run --null-io")
def no_output(engine: Containerd) -> None:
    assert engine.run("echo", "unheard", options=("--null-io",)) == ""


@operation("containerd", "run --uidmap --gidmap", core=True)
def user_namespace(engine: Containerd) -> None:
    maps = ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")
    ids = engine.run("sh", "-c", "id -u; cat /proc/self/uid_map /proc/self/gid_map", options=maps)
    assert ids.split() == ["0", *("0", "100000", "65536") * 2]


@operation("containerd", "run --privileged")
def privileged(engine: Containerd) -> None:
    engine.run("sh", "-c", "mount -t tmpfs x /tmp && test -w /sys", options=("--privileged",))


@operation("containerd", "run --read-only")
def read_only(engine: Containerd) -> None:
    engine.run("sh", "-c", "! touch /file", options=("--read-only",))


@operation("containerd", "run with limits", core=True)
def limits(engine: Containerd) -> None:
    memory, cpu = str(64 << 20), "50000"
    name = engine.detached(*LOOP, options=("--memory-limit", memory, "--cpu-quota", cpu, "--cpu-period", "100000"))
    assert engine.limit(name, "memory", "memory.limit_in_bytes", "memory.max") == memory
    assert engine.limit(name, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == cpu
    engine.remove(name)


@operation("containerd", "run out of memory")
def out_of_memory(engine: Containerd) -> None:
    engine.run("tail", "/dev/zero", options=("--memory-limit", str(16 << 20)), status=137)


@operation("containerd", "run --mount", core=True)
def mount(engine: Containerd) -> None:
    folder = engine.folder / "mounted"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("text\n")
    options = ("--mount", f"type=bind,src={folder},dst=/v,options=rbind:ro")
    assert engine.run("sh", "-c", "cat /v/file; ! touch /v/other", options=options) == "text\n"


@operation("containerd", "run --env --cwd")
def environment(engine: Containerd) -> None:
    options = ("--env", "NAME=value", "--cwd", "/tmp")
    assert engine.run("sh", "-c", "echo $NAME; pwd", options=options) == "value\n/tmp\n"


@operation("containerd", "run --cap-add --cap-drop")
def capabilities(engine: Containerd) -> None:
    options = ("--cap-add", "CAP_SYS_ADMIN", "--cap-drop", "CAP_CHOWN")
    effective = int(engine.run("sh", "-c", "grep CapEff /proc/self/status", options=options).split()[1], 16)
    assert effective & 1 << 21, "CAP_SYS_ADMIN is missing"
    assert not effective & 1, "CAP_CHOWN is there"


@operation("containerd", "run --seccomp")
def seccomp(engine: Containerd) -> None:
    assert engine.run("grep", "Seccomp:", "/proc/self/status", options=("--seccomp",)).split()[1] == "2"


@operation("containerd", "run --device")
def device(engine: Containerd) -> None:
    engine.run("sh", "-c", "test -c /dev/fuse", options=("--device", "/dev/fuse"))


@operation("containerd", "run --net-host")
def host_network(engine: Containerd) -> None:
    mine = engine.run("readlink", "/proc/self/ns/net", options=("--net-host",))
    assert mine != engine.run("readlink", "/proc/self/ns/net")
    assert mine == engine.run("readlink", "/proc/self/ns/net", options=("--net-host",))


@operation("containerd", "run --with-ns")
def joined(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    pid = engine.ok("task", "list").split(name)[1].split()[0]
    engine.run(
        "sh", "-c", "pidof sleep || ps | grep -q 'touch /tmp/up'", options=("--with-ns", f"pid:/proc/{pid}/ns/pid")
    )
    engine.remove(name)


@operation("containerd", "run --rootfs")
def own_root(engine: Containerd) -> None:
    root = engine.folder / "rootfs"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    subprocess.run(["tar", "-C", root, "-xf", engine.image], check=True)
    command = ("--rm", "--runc-binary", str(engine.runtime), "--rootfs", str(root), engine.new_name())
    assert engine.ok("run", *command, "/bin/echo", "here") == "here\n"


@operation("containerd", "run --no-pivot")
def no_pivot(engine: Containerd) -> None:
    assert engine.run("echo", "moved", options=("--no-pivot",)) == "moved\n"


@operation("containerd", "container create, task start")
def create(engine: Containerd) -> None:
    name = engine.new_name()
    engine.ok(
        "container", "create", "--snapshotter", engine.snapshotter(), "localhost/img:latest", name, "echo", "started"
    )
    assert engine.ok("task", "start", name) == "started\n"
    engine.remove(name)


@operation("containerd", "task exec", core=True)
def execute(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    assert engine.execute(name, "echo", "inside") == "inside\n"
    engine.execute(name, "sh", "-c", "exit 9", status=9)
    engine.execute(name, "no-such-program", status=1)
    options = ("--user", "1234", "--cwd", "/tmp")
    assert engine.execute(name, "sh", "-c", "id -u; pwd", options=options) == "1234\n/tmp\n"
    engine.remove(name)


@operation("containerd", "task exec --tty")
def execute_terminal(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    command = ("--exec-id", "tty", "--tty", name, "sh", "-c", "sleep 0.3; tty; stty size")
    done = engine.terminal("task", "exec", *command)
    assert "/dev/pts/0" in done.stdout
    assert "33 77" in done.stdout
    engine.remove(name)


@operation("containerd", "task exec --detach, kill --exec-id")
def execute_detached(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    engine.ok("task", "exec", "--detach", "--exec-id", "bg", name, "sleep", "1000")
    engine.wait_for(name, "ps | grep -q '[s]leep 1000'")
    engine.ok("task", "kill", "--exec-id", "bg", "--signal", "KILL", name)
    engine.wait_for(name, "! ps | grep -q '[s]leep 1000'")
    engine.remove(name)


@operation("containerd", "task kill", core=True)
def kill(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    engine.wait_for(name, "test -e /tmp/up")
    engine.ok("task", "kill", "--signal", "TERM", name)
    engine.wait_state(name, "STOPPED")
    assert engine.end_of(name) == 7
    engine.ok("container", "delete", name)


@operation("containerd", "task kill --all")
def kill_all(engine: Containerd) -> None:
    name = engine.detached("sh", "-c", "sleep 1000 & sleep 1000")
    engine.ok("task", "kill", "--all", "--signal", "KILL", name)
    engine.wait_state(name, "STOPPED")
    assert engine.end_of(name) == 137
    engine.ok("container", "delete", name)


@operation("containerd", "task pause and resume", core=True)
def pause(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    engine.ok("task", "pause", name)
    assert engine.state(name) == "PAUSED"
    engine.ok("task", "resume", name)
    assert engine.state(name) == "RUNNING"
    engine.remove(name)


@operation("containerd", "task delete --force of a paused container")
def remove_paused(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    engine.ok("task", "pause", name)
    engine.remove(name)


@operation("containerd", "task delete of a running container is refused")
def delete_running(engine: Containerd) -> None:
    name = engine.detached(*LOOP)
    assert "must be stopped" in engine.call("task", "delete", name).stderr
    assert engine.state(name) == "RUNNING"
    engine.remove(name)


@operation("containerd", "task ps")
def processes(engine: Containerd) -> None:
    name = engine.detached("sh", "-c", "sleep 1000 & sleep 1000")
    until(lambda: len(engine.ok("task", "ps", name).splitlines()) == 3, "two processes")
    engine.remove(name)


@operation("containerd", "task metrics", core=True)
def metrics(engine: Containerd) -> None:
    name = engine.detached(*LOOP, options=("--memory-limit", str(64 << 20)))
    figures = engine.ok("task", "metrics", "--format", "json", name)
    assert str(64 << 20) in json.dumps(json.loads(figures)), figures
    engine.remove(name)


@operation("containerd", "task checkpoint, run from the checkpoint")
def checkpoint(engine: Containerd) -> None:
    if shutil.which("criu") is None:
        raise CannotRun("criu is not installed")
    name = engine.detached("sh", "-c", "n=0; while :; do n=$((n+1)); echo $n > /tmp/n; sleep 0.1; done")
    engine.wait_for(name, "test $(cat /tmp/n) -gt 5")
    made = engine.call("container", "checkpoint", "--rw", "--task", name, "localhost/checkpoint:one")
    if made.returncode:
        engine.remove(name)
        raise AssertionError(made.stderr.strip()[-500:])
    engine.remove(name)
    engine.ok("container", "restore", "--rw", "--live", name, "localhost/checkpoint:one")
    engine.wait_for(name, "test $(cat /tmp/n) -gt 5")
    engine.remove(name)
