"""buildah: run in a working container, and builds."""

from conformance.engine.buildah import Buildah
from conformance.engine.operation import operation

MEMORY = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
UIDS = ("--userns-uid-map", "0:100000:65536", "--userns-gid-map", "0:100000:65536")


@operation("buildah", "run", core=True)
def run(engine: Buildah) -> None:
    assert engine.run("echo", "hello") == "hello\n"


@operation("buildah", "run: the exit status")
def status(engine: Buildah) -> None:
    engine.run("sh", "-c", "exit 42", status=42)
    done = engine.call(*engine.run_arguments(), name := engine.container(), "--", "no-such-program")
    engine.ok("rm", name)
    assert done.returncode == 1
    assert "executable file not found in $PATH" in done.stderr, done.stderr


@operation("buildah", "run --terminal", core=True)
def terminal(engine: Buildah) -> None:
    name = engine.container()
    done = engine.terminal(*engine.run_arguments("--terminal"), name, "--", "sh", "-c", "sleep 0.3; tty; stty size")
    engine.ok("rm", name)
    assert "/dev/pts/0" in done.stdout, done.stdout
    assert "33 77" in done.stdout, done.stdout


@operation("buildah", "run with input")
def standard_input(engine: Buildah) -> None:
    name = engine.container()
    assert engine.ok(*engine.run_arguments(), name, "--", "cat", input="typed\n") == "typed\n"
    engine.ok("rm", name)


@operation("buildah", "run --user")
def user(engine: Buildah) -> None:
    assert engine.run("sh", "-c", "id -u; id -g", options=("--user", "1234:567")) == "1234\n567\n"


@operation("buildah", "run --env --workingdir")
def environment(engine: Buildah) -> None:
    options = ("--env", "NAME=value", "--workingdir", "/tmp")
    assert engine.run("sh", "-c", "echo $NAME; pwd", options=options) == "value\n/tmp\n"


@operation("buildah", "run --cap-drop --cap-add")
def capabilities(engine: Buildah) -> None:
    options = ("--cap-drop", "CAP_CHOWN", "--cap-add", "CAP_SYS_ADMIN")
    told = engine.run("grep", "CapEff", "/proc/self/status", options=options)
    assert int(told.split()[1], 16) & (1 << 21 | 1) == 1 << 21, told


@operation("buildah", "run --volume")
def volume(engine: Buildah) -> None:
    options = ("--volume", f"{engine.shared()}:/v:ro")
    assert engine.run("sh", "-c", "cat /v/file; ! touch /v/other", options=options) == "text\n"


@operation("buildah", "run --mount type=tmpfs")
def tmpfs(engine: Buildah) -> None:
    assert "tmpfs" in engine.run("grep", " /t ", "/proc/mounts", options=("--mount", "type=tmpfs,target=/t"))


@operation("buildah", "run --network none")
def no_network(engine: Buildah) -> None:
    assert engine.run("ls", "/sys/class/net", options=("--network", "none")).split() == ["lo"]


@operation("buildah", "run --pid host --ipc host")
def host_namespaces(engine: Buildah) -> None:
    options = ("--pid", "host", "--ipc", "host", "--network", "host")
    first, second = (
        engine.run("sh", "-c", "cd /proc/self/ns; readlink pid; readlink ipc", options=options) for _ in range(2)
    )
    assert first == second


@operation("buildah", "run --no-pivot")
def no_pivot(engine: Buildah) -> None:
    assert engine.run("echo", "moved", options=("--no-pivot",)) == "moved\n"


@operation("buildah", "run --isolation rootless")
def rootless_isolation(engine: Buildah) -> None:
    assert engine.run("echo", "inside", options=("--isolation", "rootless")) == "inside\n"


@operation("buildah", "run twice in one container, mount, commit")
def changes(engine: Buildah) -> None:
    name = engine.container()
    engine.ok(*engine.run_arguments(), name, "--", "sh", "-c", "echo kept > /kept")
    assert engine.ok(*engine.run_arguments(), name, "--", "cat", "/kept") == "kept\n"
    engine.ok("commit", "--rm", name, "localhost/committed")
    other = engine.ok("from", "--pull-never", "localhost/committed").strip()
    assert engine.ok(*engine.run_arguments(), other, "--", "cat", "/kept") == "kept\n"
    engine.ok("rm", other)
    engine.ok("rmi", "localhost/committed")


@operation("buildah", "bud", core=True)
def build(engine: Buildah) -> None:
    lines = 'RUN echo made > /made\nUSER 1234\nWORKDIR /work\nENV NAME=value\nRUN cat /made; id -u; pwd; echo "$NAME"'
    assert "made\n1234\n/work\nvalue\n" in engine.build(lines)


@operation("buildah", "bud: a RUN that fails")
def build_fails(engine: Buildah) -> None:
    engine.build("RUN exit 7", status=7)


@operation("buildah", "bud with limits")
def build_limits(engine: Buildah) -> None:
    assert f"{64 << 20}\n" in engine.build(f"RUN {MEMORY}", "--memory", "64m")


@operation("buildah", "bud --ulimit --cap-add")
def build_process(engine: Buildah) -> None:
    told = engine.build(
        "RUN ulimit -n; grep CapBnd /proc/self/status", "--ulimit", "nofile=321:321", "--cap-add", "net_raw"
    )
    assert "321\n" in told
    assert int(told.split("CapBnd:")[1].split()[0], 16) & 1 << 13


@operation("buildah", "bud: RUN --mount")
def build_mounts(engine: Buildah) -> None:
    engine.build(
        "RUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/c touch /t/a /c/a && grep -q ' /t ' /proc/mounts"
    )


@operation("buildah", "bud --userns", core=True)
def build_user_namespace(engine: Buildah) -> None:
    told = engine.build("RUN cat /proc/self/uid_map; touch /mine && stat -c %u /mine", *UIDS)
    assert "100000" in told
    assert "\n0\n" in told
