"""podman and docker: the life of a container."""

from conformance.engine.base import until
from conformance.engine.containers import ALL, BOTH, WITH_CGROUPS, ContainerEngine
from conformance.engine.operation import operation

LOOP = ("img", "sh", "-c", 'trap "echo got-term; exit 7" TERM; echo up; while :; do sleep 0.1; done')


@operation(ALL, "run in the foreground", core=WITH_CGROUPS)
def run(engine: ContainerEngine) -> None:
    assert engine.run("img", "echo", "hello") == "hello\n"


@operation(ALL, "run: the exit status")
def status(engine: ContainerEngine) -> None:
    engine.run("img", "sh", "-c", "exit 42", status=42)
    engine.run("img", "/no/such/program", status=127)
    engine.run("img", "/etc/passwd", status=126)


@operation(ALL, "run -it", core=BOTH)
def terminal(engine: ContainerEngine) -> None:
    done = engine.terminal("run", "--rm", "-it", "--network", "none", "img", "sh", "-c", "sleep 0.3; tty; stty size")
    assert done.returncode == 0
    assert "/dev/pts/0" in done.stdout
    assert "33 77" in done.stdout


@operation(ALL, "run -i with input")
def standard_input(engine: ContainerEngine) -> None:
    assert engine.ok("run", "--rm", "-i", "--network", "none", "img", "cat", input="typed\n") == "typed\n"


@operation(ALL, "run -d, logs, wait", core=BOTH)
def detached(engine: ContainerEngine) -> None:
    name = engine.detached("img", "sh", "-c", "echo working; exit 3")
    assert engine.ok("wait", name).strip() == "3"
    assert engine.ok("logs", name) == "working\n"
    engine.remove(name)


@operation(ALL, "exec", core=True)
def execute(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    assert engine.ok("exec", name, "echo", "inside") == "inside\n"
    assert engine.call("exec", name, "sh", "-c", "exit 9").returncode == 9
    assert engine.call("exec", name, "no-such-program").returncode in (126, 127)  # docker says the first
    assert (
        engine.ok("exec", "--user", "1234:567", "--workdir", "/tmp", name, "sh", "-c", "id -u; pwd") == "1234\n/tmp\n"
    )
    engine.remove(name)


@operation(ALL, "exec -it")
def execute_terminal(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    done = engine.terminal("exec", "-it", name, "sh", "-c", "sleep 0.3; tty; stty size")
    assert "/dev/pts/0" in done.stdout
    assert "33 77" in done.stdout
    engine.remove(name)


@operation(ALL, "stop", core="podman podman-rootless docker")
def stop(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.wait_log(name, "up")
    engine.ok("stop", "--time", "10", name)
    assert engine.inspect(name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 7"
    engine.remove(name)


@operation(ALL, "kill")
def kill(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("kill", "--signal", "KILL", name)
    assert engine.ok("wait", name).strip() == "137"
    engine.remove(name)


@operation(WITH_CGROUPS, "pause and unpause", core=BOTH)
def pause(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("pause", name)
    assert engine.inspect(name, "{{.State.Status}}") == "paused"
    engine.ok("unpause", name)
    assert engine.inspect(name, "{{.State.Status}}") == "running"
    engine.remove(name)


@operation(WITH_CGROUPS, "rm -f of a paused container")
def remove_paused(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("pause", name)
    engine.remove(name)


@operation(ALL, "restart")
def restart(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("restart", "--time", "0", name)
    until(lambda: engine.ok("logs", name).count("up") == 2, "the program's second start")
    engine.remove(name)


@operation(WITH_CGROUPS, "update", core=BOTH)
def update(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("update", "--memory", "64m", *engine.swap("128m"), name)
    read = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert engine.ok("exec", name, "sh", "-c", read).strip() == str(64 << 20)
    engine.remove(name)


@operation(ALL, "top")
def top(engine: ContainerEngine) -> None:
    name = engine.detached("img", "sleep", "1000")
    assert "sleep 1000" in engine.ok("top", name, *engine.top_columns)
    engine.remove(name)


@operation(WITH_CGROUPS, "stats")
def stats(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    assert name in engine.ok("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}}", name)
    engine.remove(name)


@operation(ALL, "cp and diff")
def copy(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("cp", str(engine.file("copied", "text\n")), f"{name}:/copied")
    assert engine.ok("exec", name, "cat", "/copied") == "text\n"
    assert "A /copied" in engine.ok("diff", name)
    engine.remove(name)


@operation(ALL, "commit")
def commit(engine: ContainerEngine) -> None:
    name = engine.detached(*LOOP)
    engine.ok("exec", name, "touch", "/committed")
    engine.ok("commit", name, "localhost/committed")
    engine.run("localhost/committed", "test", "-e", "/committed")
    engine.remove(name)


@operation(ALL, "attach")
def attach(engine: ContainerEngine) -> None:
    name = engine.detached("img", "sh", "-c", "sleep 1; echo attached; exit 4")
    assert "attached" in engine.call("attach", name).stdout
    engine.remove(name)
