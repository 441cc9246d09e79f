"""podman and docker: what containers are made of, option by option."""

import json
import platform
import urllib.error
import urllib.request

from conformance.engine.base import until
from conformance.engine.container_life import LOOP
from conformance.engine.containers import ALL, BOTH, WITH_CGROUPS, ContainerEngine
from conformance.engine.operation import operation

SYS_ADMIN, CHOWN = 1 << 21, 1 << 0
# Allows everything but mkdir, which ends with the error of another call.
PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
}


def effective(engine: ContainerEngine, *options: str) -> int:
    """The effective capabilities of a container with these options, as bits."""
    return int(engine.run(*options, "img", "grep", "CapEff", "/proc/self/status").split()[1], 16)


def limit(engine: ContainerEngine, name: str, old: str, new: str) -> str:
    """What a container sees in the file of cgroup v1, or in that of v2."""
    command = f"cat /sys/fs/cgroup/{old} 2>/dev/null || cat /sys/fs/cgroup/{new}"
    return engine.ok("exec", name, "sh", "-c", command).strip()


def fetched(address: str) -> str:
    """What is served there, or nothing."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


@operation(ALL, "run --init", core=BOTH)
def init(engine: ContainerEngine) -> None:
    name = engine.detached("--init", *LOOP)
    assert engine.ok("exec", name, "cat", "/proc/1/comm").strip() in ("docker-init", "podman-init", "catatonit")
    engine.ok("stop", "--time", "10", name)
    assert engine.inspect(name, "{{.State.ExitCode}}") == "7"
    engine.remove(name)


@operation(ALL, "run --read-only --tmpfs", core=BOTH)
def read_only(engine: ContainerEngine) -> None:
    script = "! touch /file 2>/dev/null && touch /t/file && stat -c %a /t && grep ' /t ' /proc/mounts"
    mode, mounted = engine.run("--read-only", "--tmpfs", "/t:size=1m,mode=1700", "img", "sh", "-c", script).splitlines()
    assert mode == "1700"
    assert "size=1024k" in mounted


@operation(ALL, "run --volume: a named one", core=True)
def volume(engine: ContainerEngine) -> None:
    named = engine.new_name()
    engine.ok("volume", "create", named)
    engine.run("--volume", f"{named}:/v", "img", "sh", "-c", "echo kept > /v/file")
    assert engine.run("--volume", f"{named}:/v:ro", "img", "cat", "/v/file") == "kept\n"
    engine.ok("volume", "rm", named)


@operation(BOTH, "run --volume: a folder of the host")
def bind(engine: ContainerEngine) -> None:
    folder = engine.folder / "bound"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("outside\n")
    script = "cat /v/file; ! touch /v/other 2>/dev/null && echo inside > /w/file"
    engine.run("--volume", f"{folder}:/v:ro", "--volume", f"{folder}:/w", "img", "sh", "-c", script)
    assert (folder / "file").read_text() == "inside\n"


@operation(ALL, "run --cap-add --cap-drop", core=BOTH)
def capabilities(engine: ContainerEngine) -> None:
    default = effective(engine)
    assert default & CHOWN
    assert not default & SYS_ADMIN
    assert effective(engine, "--cap-add", "SYS_ADMIN", "--cap-drop", "CHOWN") == default & ~CHOWN | SYS_ADMIN
    assert effective(engine, "--cap-drop", "ALL") == 0


@operation(WITH_CGROUPS, "run with limits", core=BOTH)
def limits(engine: ContainerEngine) -> None:
    name = engine.detached("--memory", "64m", "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "50", *LOOP)
    assert limit(engine, name, "memory/memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert limit(engine, name, "cpu/cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert limit(engine, name, "pids/pids.max", "pids.max") == "50"
    engine.remove(name)


@operation(WITH_CGROUPS, "run out of memory")
def out_of_memory(engine: ContainerEngine) -> None:
    name = engine.detached("--memory", "16m", "img", "tail", "/dev/zero")
    assert engine.ok("wait", name).strip() == "137"
    engine.remove(name)


@operation(ALL, "run --ulimit")
def ulimit(engine: ContainerEngine) -> None:
    options = ("--ulimit", "nofile=123:456", "--ulimit", "nproc=4096:4096")
    assert engine.run(*options, "img", "sh", "-c", "ulimit -Sn; ulimit -Hn") == "123\n456\n"


@operation(ALL, "run --security-opt seccomp=PROFILE", core=BOTH)
def seccomp(engine: ContainerEngine) -> None:
    option = ("--security-opt", f"seccomp={engine.file('seccomp.json', json.dumps(PROFILE))}")
    told = engine.run(*option, "img", "sh", "-c", "mkdir /folder 2>&1; touch /file && echo written")
    assert "not supported" in told
    assert told.endswith("written\n")
    filtered = engine.run("img", "grep", "Seccomp:", "/proc/self/status")
    assert filtered.split()[1] == "2", "no filter by default"


@operation(ALL, "run --security-opt no-new-privileges")
def no_new_privileges(engine: ContainerEngine) -> None:
    told = engine.run("--security-opt", "no-new-privileges", "img", "grep", "NoNewPrivs", "/proc/self/status")
    assert told.split()[1] == "1"


@operation(BOTH, "run --privileged", core=True)
def privileged(engine: ContainerEngine) -> None:
    engine.run("--privileged", "img", "sh", "-c", "mount -t tmpfs x /tmp && test -w /sys && test -c /dev/fuse")


@operation(ALL, "run --user --group-add")
def user(engine: ContainerEngine) -> None:
    told = engine.run("--user", "1234:567", "--group-add", "89", "img", "sh", "-c", "id -u; id -g; id -G")
    assert told.split() == ["1234", "567", "567", "89"]


@operation(BOTH, "run --sysctl")
def sysctl(engine: ContainerEngine) -> None:
    path = "/proc/sys/net/ipv4/ip_default_ttl"
    assert engine.run("--sysctl", "net.ipv4.ip_default_ttl=77", "img", "cat", path) == "77\n"


@operation(BOTH, "run --device")
def device(engine: ContainerEngine) -> None:
    # The cgroup refuses what was not asked for, whoever opens it.
    script = "(: < /dev/other) && echo read; (: > /dev/other) 2>/dev/null || echo refused"
    assert engine.run("--device", "/dev/fuse:/dev/other:r", "img", "sh", "-c", script) == "read\nrefused\n"


@operation(ALL, "run --hostname, environment, --workdir")
def surroundings(engine: ContainerEngine) -> None:
    options = ("--hostname", "somebody", "--env", "NAME=value", "--workdir", "/tmp")
    assert engine.run(*options, "img", "sh", "-c", "hostname; echo $NAME; pwd") == "somebody\nvalue\n/tmp\n"


@operation(BOTH, "run with namespaces of another container")
def joined(engine: ContainerEngine) -> None:
    name = engine.detached("--ipc", "shareable", *LOOP)
    read = "readlink /proc/1/ns/net; readlink /proc/1/ns/ipc; readlink /proc/1/ns/pid"
    theirs = engine.ok("exec", name, "sh", "-c", read)
    options = [f"--{kind}=container:{name}" for kind in ("network", "ipc", "pid")]
    done = engine.ok("run", "--rm", *options, "img", "sh", "-c", read)
    assert done == theirs
    engine.remove(name)


@operation(BOTH, "run --pid host --uts host --ipc host")
def host(engine: ContainerEngine) -> None:
    told = engine.run("--pid", "host", "--uts", "host", "--ipc", "host", "img", "sh", "-c", "hostname; ps | wc -l")
    assert told.split()[0] == platform.node()
    assert int(told.split()[1]) > 3


@operation(BOTH, "run in a bridge network, a published port", core=True)
def bridge(engine: ContainerEngine) -> None:
    network = engine.new_name()
    engine.ok("network", "create", network)
    script = "echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    name = engine.detached("--publish", "127.0.0.1:8099:80", "img", "sh", "-c", script, network=network)
    until(lambda: fetched("http://127.0.0.1:8099/") == "served\n", "an answer from the published port")
    assert "eth0" in engine.ok("exec", name, "ip", "-o", "-4", "addr")
    engine.remove(name)
    engine.ok("network", "rm", network)
