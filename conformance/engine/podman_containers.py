"""podman: the life of a container."""

from conformance.engine.base import until
from conformance.engine.operation import operation
from conformance.engine.podman import Podman

LOOP = ("img", "sh", "-c", 'trap "echo got-term; exit 7" TERM; echo up; while :; do sleep 0.1; done')


@operation("podman", "run in the foreground", core=True)
def run(podman: Podman) -> None:
    assert podman.run("img", "echo", "hello") == "hello\n"


@operation("podman", "run: the exit status")
def status(podman: Podman) -> None:
    podman.run("img", "sh", "-c", "exit 42", status=42)
    podman.run("img", "/no/such/program", status=127)
    podman.run("img", "/etc/passwd", status=126)


@operation("podman", "run -it", core=True)
def terminal(podman: Podman) -> None:
    done = podman.terminal("run", "--rm", "-it", "--network", "none", "img", "sh", "-c", "sleep 0.3; tty; stty size")
    assert done.returncode == 0
    assert "/dev/pts/0" in done.stdout
    assert "33 77" in done.stdout


@operation("podman", "run -i with input")
def standard_input(podman: Podman) -> None:
    assert podman.ok("run", "--rm", "-i", "--network", "none", "img", "cat", input="typed\n") == "typed\n"


@operation("podman", "run -d, logs, wait", core=True)
def detached(podman: Podman) -> None:
    name = podman.detached("img", "sh", "-c", "echo working; exit 3")
    assert podman.ok("wait", name).strip() == "3"
    assert podman.ok("logs", name) == "working\n"
    podman.remove(name)


@operation("podman", "exec", core=True)
def execute(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    assert podman.ok("exec", name, "echo", "inside") == "inside\n"
    assert podman.call("exec", name, "sh", "-c", "exit 9").returncode == 9
    assert podman.call("exec", name, "no-such-program").returncode == 127
    assert (
        podman.ok("exec", "--user", "1234:567", "--workdir", "/tmp", name, "sh", "-c", "id -u; pwd") == "1234\n/tmp\n"
    )
    podman.remove(name)


@operation("podman", "exec -it")
def execute_terminal(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    done = podman.terminal("exec", "-it", name, "sh", "-c", "sleep 0.3; tty; stty size")
    assert "/dev/pts/0" in done.stdout
    assert "33 77" in done.stdout
    podman.remove(name)


@operation("podman", "stop", core=True)
def stop(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.wait_log(name, "up")
    podman.ok("stop", "--time", "10", name)
    assert podman.inspect(name, "{{.State.Status}} {{.State.ExitCode}}") == "exited 7"
    podman.remove(name)


@operation("podman", "kill")
def kill(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("kill", "--signal", "KILL", name)
    assert podman.ok("wait", name).strip() == "137"
    podman.remove(name)


@operation("podman", "pause and unpause", core=True)
def pause(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("pause", name)
    assert podman.inspect(name, "{{.State.Status}}") == "paused"
    podman.ok("unpause", name)
    assert podman.inspect(name, "{{.State.Status}}") == "running"
    podman.remove(name)


@operation("podman", "rm -f of a paused container")
def remove_paused(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("pause", name)
    podman.remove(name)


@operation("podman", "restart")
def restart(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("restart", "--time", "0", name)
    until(lambda: podman.ok("logs", name).count("up") == 2, "the program's second start")
    podman.remove(name)


@operation("podman", "update", core=True)
def update(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("update", "--memory", "64m", name)
    read = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert podman.ok("exec", name, "sh", "-c", read).strip() == str(64 << 20)
    podman.remove(name)


@operation("podman", "top")
def top(podman: Podman) -> None:
    name = podman.detached("img", "sleep", "1000")
    assert "sleep 1000" in podman.ok("top", name, "args")
    podman.remove(name)


@operation("podman", "stats")
def stats(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    assert name in podman.ok("stats", "--no-stream", "--format", "{{.Name}} {{.PIDS}}", name)
    podman.remove(name)


@operation("podman", "cp and diff")
def copy(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("cp", str(podman.file("copied", "text\n")), f"{name}:/copied")
    assert podman.ok("exec", name, "cat", "/copied") == "text\n"
    assert "A /copied" in podman.ok("diff", name)
    podman.remove(name)


@operation("podman", "commit")
def commit(podman: Podman) -> None:
    name = podman.detached(*LOOP)
    podman.ok("exec", name, "touch", "/committed")
    podman.ok("commit", "--quiet", name, "localhost/committed")
    podman.run("localhost/committed", "test", "-e", "/committed")
    podman.remove(name)


@operation("podman", "healthcheck")
def healthcheck(podman: Podman) -> None:
    name = podman.detached("--health-cmd", "test -e /tmp/well", "--health-interval", "disable", *LOOP)
    assert podman.call("healthcheck", "run", name).returncode == 1
    podman.ok("exec", name, "touch", "/tmp/well")
    assert podman.call("healthcheck", "run", name).returncode == 0
    podman.remove(name)


@operation("podman", "init, then start")
def initialise(podman: Podman) -> None:
    name = podman.new_name()
    podman.ok("create", "--name", name, "--network", "none", "img", "echo", "started")
    podman.ok("init", name)
    assert podman.inspect(name, "{{.State.Status}}") in ("initialized", "created")
    podman.ok("start", name)
    podman.ok("wait", name)
    assert podman.ok("logs", name) == "started\n"
    podman.remove(name)


@operation("podman", "attach")
def attach(podman: Podman) -> None:
    name = podman.detached("img", "sh", "-c", "sleep 1; echo attached; exit 4")
    assert "attached" in podman.call("attach", name).stdout
    podman.remove(name)
