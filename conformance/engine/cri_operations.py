"""The CRI: pods and their containers, as kubelet asks for them."""

import time

from conformance.engine.base import until
from conformance.engine.cri import CREATED, NODE, NOT_READY, POD, READY, RUNNING, Cri, Pod
from conformance.engine.operation import operation

LOOP = ("sh", "-c", 'trap "exit 7" TERM; echo up; while :; do sleep 0.1; done')
FIRST, SECOND = "memory/memory.limit_in_bytes", "memory.max"


def memory(pod: Pod, container: str) -> str:
    """The memory limit that a container sees, by cgroup v1 or v2."""
    command = f"cat /sys/fs/cgroup/{FIRST} 2>/dev/null || cat /sys/fs/cgroup/{SECOND}"
    return pod.execute(container, "sh", "-c", command).strip()


@operation("cri", "pod sandbox: run, status, stop, remove", core=True)
def sandbox(cri: Cri) -> None:
    with Pod(cri) as pod:
        status = pod.status()
        assert status.state == READY
        assert status.network.ip.startswith("10.77.0.")
        cri.ask("StopPodSandbox", "PodSandboxRequest", pod_sandbox_id=pod.id)
        assert pod.status().state == NOT_READY
    assert pod.id not in [one.id for one in cri.ask("ListPodSandbox", "Empty").items]


@operation("cri", "container: create, start, status, stop, remove", core=True)
def life(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.create(*LOOP)
        assert pod.container(container).state == CREATED
        cri.ask("StartContainer", container_id=container)
        assert pod.container(container).state == RUNNING
        until(lambda: pod.log(container) == "up\n", "the log")
        cri.ask("StopContainer", container_id=container, timeout=10)
        assert pod.ended(container).exit_code == 7
        cri.ask("RemoveContainer", "ContainerRequest", container_id=container)


@operation("cri", "StopContainer: killed when the time is over")
def killed(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start("sh", "-c", 'trap "" TERM; while :; do sleep 0.1; done')
        cri.ask("StopContainer", container_id=container, timeout=1)
        assert pod.ended(container).exit_code == 137


@operation("cri", "ExecSync", core=True)
def execute(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start(*LOOP)
        assert pod.execute(container, "echo", "inside") == "inside\n"
        pod.execute(container, "sh", "-c", "exit 9", status=9)
        assert "no-such-program" in cri.refused("ExecSync", container_id=container, cmd=["no-such-program"])


@operation("cri", "ExecSync with a timeout")
def execute_timeout(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start(*LOOP)
        began = time.monotonic()
        refused = cri.refused("ExecSync", container_id=container, cmd=["sleep", "87655"], timeout=1)
        assert "timeout" in refused or "DEADLINE" in refused, refused
        assert time.monotonic() - began < 10
        assert "sleep 87655" not in pod.execute(container, "ps")


@operation("cri", "logs, environment, working_dir, hostname")
def logs(cri: Cri) -> None:
    with Pod(cri) as pod:
        envs = [{"key": "NAME", "value": "value"}]
        told = pod.output("sh", "-c", "echo $NAME; pwd >&2; hostname", envs=envs, working_dir="/tmp")
        assert sorted(told.split()) == sorted(["value", "/tmp", str(pod.configuration["hostname"])])


@operation("cri", "statistics", core=True)
def statistics(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start(*LOOP)
        stats = cri.ask("ContainerStats", "ContainerRequest", container_id=container).stats
        assert stats.cpu.usage_core_nano_seconds.value > 0
        assert stats.memory.working_set_bytes.value > 0


@operation("cri", "limits, UpdateContainerResources", core=True)
def update(cri: Cri) -> None:
    with Pod(cri) as pod:
        limits = {"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100000, "cpu_shares": 300}
        container = pod.start(*LOOP, linux={"resources": limits})
        assert memory(pod, container) == str(64 << 20)
        more = {"memory_limit_in_bytes": 80 << 20}
        cri.ask("UpdateContainerResources", container_id=container, linux=more)
        assert memory(pod, container) == str(80 << 20)


@operation("cri", "out of memory", core=True)
def out_of_memory(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start("tail", "/dev/zero", linux={"resources": {"memory_limit_in_bytes": 16 << 20}})
        status = pod.ended(container)
        assert status.exit_code == 137
        assert status.reason == "OOMKilled", f"the reason is {status.reason}"


@operation("cri", "security context", core=True)
def security(cri: Cri) -> None:
    context = {
        "capabilities": {"drop_capabilities": ["ALL"]},
        "run_as_user": {"value": 1000},
        "run_as_group": {"value": 2000},
        "supplemental_groups": [3000],
        "readonly_rootfs": True,
        "no_new_privs": True,
    }
    script = "id -u; id -g; id -G; grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /tmp/x 2>/dev/null || echo kept"
    with Pod(cri) as pod:
        told = pod.output("sh", "-c", script, linux={"security_context": context}).split()
        assert told[:2] == ["1000", "2000"]
        assert "3000" in told
        assert told[-5:] == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "kept"]


@operation("cri", "capabilities added")
def capabilities(cri: Cri) -> None:
    context = {"capabilities": {"add_capabilities": ["SYS_ADMIN"], "drop_capabilities": ["CHOWN"]}}
    with Pod(cri) as pod:
        told = pod.output("grep", "CapEff", "/proc/self/status", linux={"security_context": context})
        effective = int(told.split()[1], 16)
        assert effective & 1 << 21, "CAP_SYS_ADMIN is missing"
        assert not effective & 1, "CAP_CHOWN is there"


@operation("cri", "privileged")
def privileged(cri: Cri) -> None:
    with Pod(cri, security_context={"privileged": True}) as pod:
        script = "mount -t tmpfs x /tmp && test -w /sys && test -c /dev/fuse && echo able"
        assert pod.output("sh", "-c", script, linux={"security_context": {"privileged": True}}) == "able\n"


@operation("cri", "mounts")
def mounts(cri: Cri) -> None:
    folder = cri.folder / "mounted"
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text("text\n")
    mount = {"container_path": "/v", "host_path": str(folder), "readonly": True}
    with Pod(cri) as pod:
        told = pod.output("sh", "-c", "cat /v/file; touch /v/other 2>/dev/null || echo kept", mounts=[mount])
        assert told == "text\nkept\n"


@operation("cri", "containers of a pod share network and ipc")
def shared(cri: Cri) -> None:
    with Pod(cri) as pod:
        read = ("sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc")
        first, second = (pod.start(*LOOP) for _ in range(2))
        assert pod.execute(first, *read) == pod.execute(second, *read)
        assert str(pod.status().network.ip) in pod.execute(first, "ip", "-o", "-4", "addr", "show", "eth0")


@operation("cri", "a pid namespace for the pod")
def processes(cri: Cri) -> None:
    options = {"namespace_options": {"pid": POD}}
    with Pod(cri, security_context=options) as pod:
        container = pod.start(*LOOP, linux={"security_context": options})
        other = pod.start("sh", "-c", "sleep 2222 & exec sleep 3333", linux={"security_context": options})
        until(lambda: "sleep 2222" in pod.execute(container, "ps"), "the other container's process")
        cri.ask("StopContainer", container_id=other, timeout=0)
        until(lambda: "sleep 2222" not in pod.execute(container, "ps"), "its end")


@operation("cri", "namespaces of the node")
def node(cri: Cri) -> None:
    options = {"namespace_options": {"network": NODE, "pid": NODE, "ipc": NODE}}
    with Pod(cri, security_context=options) as pod:
        told = pod.output("sh", "-c", "ls /proc | grep -c '^[0-9]'; ip -o link", linux={"security_context": options})
        assert int(told.split()[0]) > 3
        assert "cri0" in told, "not the node's network"


@operation("cri", "sysctls of a pod")
def sysctls(cri: Cri) -> None:
    with Pod(cri, sysctls=[{"key": "net.ipv4.ip_default_ttl", "value": "77"}]) as pod:
        assert pod.output("cat", "/proc/sys/net/ipv4/ip_default_ttl") == "77\n"


@operation("cri", "tty")
def terminal(cri: Cri) -> None:
    with Pod(cri) as pod:
        assert pod.output("tty", tty=True).replace("\r", "") == "/dev/pts/0\n"


@operation("cri", "a program that is not there")
def missing(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.create("no-such-program")
        done = cri.refused("StartContainer", container_id=container)
        assert 'exec: "no-such-program": executable file not found in $PATH' in done, done
        status = pod.container(container)
        assert (status.reason, status.exit_code) == ("StartError", 128)
