"""exec: what another process in a container sees, and how it ends."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.freezer import freeze, thaw
from tests.support.inside import probe
from tests.support.namespaces import NamespaceHolder
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")


def running(pyrunc: Pyrunc, made: Bundle) -> tuple[str, int]:
    """A running container; its id and pid."""
    container_id, _ = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    return container_id, pyrunc.state(container_id)["pid"]


@pytest.fixture
def container(bundle: BundleFactory, pyrunc: Pyrunc) -> str:
    """The id of a running container with the default configuration."""
    return running(pyrunc, bundle(SLEEP))[0]


def see(pyrunc: Pyrunc, *args: "str | os.PathLike[str]", **keywords: Any) -> dict[str, Any]:
    """What the probe sees as an exec's process; args: options, then the id."""
    seen = pyrunc.ok("exec", *args, "/bin/probe", **keywords).json()
    assert isinstance(seen, dict)
    return seen


def test_as_the_containers_own_process(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Without options the process is like the container's first one in all that config.json says."""
    made = probe(
        bundle,
        user={"uid": 1000, "gid": 1001, "additionalGids": [7, 8], "umask": 0o037},
        cwd="/tmp",
        env=["PATH=/bin", "A=b", "HOME=/x"],
        oomScoreAdj=321,
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}],
    )
    made.config["linux"]["personality"] = {"domain": "LINUX32"}
    made.config["linux"]["namespaces"].append({"type": "cgroup"})
    made.save()
    first = pyrunc.run(made).json()
    made.config["process"]["args"] = list(SLEEP)
    made.save()
    container_id, pid = running(pyrunc, made)
    second = see(pyrunc, container_id)
    alike = [
        "uid", "gid", "groups", "umask", "cwd", "env", "oom_score_adj", "rlimits", "capabilities", "no_new_privs",
        "personality", "securebits", "dumpable", "pdeathsig", "hostname", "domainname", "affinity", "exe", "setgroups",
        "uid_map", "gid_map",
    ]  # fmt: skip
    assert {name: second[name] for name in alike} == {name: first[name] for name in alike}
    for name in ("SigBlk", "SigIgn", "SigCgt", "Seccomp", "Seccomp_filters"):
        assert second["status"][name] == first["status"][name], name
    assert sorted(second["fds"]) == ["0", "1", "2"]
    assert second["namespaces"] == {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in second["namespaces"]}
    mounts = [{" ".join(line.split()[3:6]) for line in seen["mountinfo"]} for seen in (first, second)]
    assert mounts[0] == mounts[1]
    assert second["keyring"]["description"].split(";")[4].startswith(f"_ses.{container_id}.")
    assert second["pid"] > 1
    cgroups = Path(f"/proc/{pid}/cgroup").read_text()
    seen_cgroups = pyrunc.ok("exec", container_id, "cat", "/proc/self/cgroup").stdout
    assert {line.split(":")[1] for line in seen_cgroups.splitlines() if line.endswith(":/")} >= {
        line.split(":")[1] for line in cgroups.splitlines() if container_id in line
    }


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 42", 42), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_exit_status(script: str, status: int, container: str, pyrunc: Pyrunc) -> None:
    assert pyrunc("exec", container, "/bin/sh", "-c", script).returncode == status


def test_own_errors_end_with_255(container: str, pyrunc: Pyrunc) -> None:
    for arguments, words in (
        (("/bin/nowhere",), 'exec: "/bin/nowhere": stat /bin/nowhere: no such file or directory'),
        (("nowhere",), 'exec: "nowhere": executable file not found in $PATH'),
        (("/etc/passwd",), 'exec: "/etc/passwd": permission denied'),
    ):
        result = pyrunc("exec", container, *arguments)
        assert result.returncode == 255
        assert words in result.stderr.splitlines()[0]


def test_options(container: str, pyrunc: Pyrunc) -> None:
    options = "--cwd /dev --env A=1 --env B=2 --env A=3 --user 1000:1001 --additional-gids 5 --additional-gids 6"
    seen = see(pyrunc, *options.split(), "--cap", "CAP_SYS_TIME", "--no-new-privs=false", container)
    assert seen["cwd"] == "/dev"
    assert "A=3" in seen["env"]
    assert "B=2" in seen["env"]
    assert "A=1" not in seen["env"]
    assert seen["uid"] == [1000] * 3
    assert seen["gid"] == [1001] * 3
    assert sorted(seen["groups"]) == [5, 6]
    assert seen["no_new_privs"] == 0
    assert seen["capabilities"]["bounding"] >> 25 & 1


def test_options_do_not_stay(container: str, pyrunc: Pyrunc) -> None:
    see(pyrunc, "--cwd", "/dev", "--user", "1000", container)
    seen = see(pyrunc, container)
    assert (seen["cwd"], seen["uid"]) == ("/", [0, 0, 0])


def test_home_of_the_user(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(SLEEP)
    (made.rootfs / "etc/passwd").write_text("root:x:0:0::/root:\nuser:x:1000:1000::/home/user:\n")
    container_id, _ = running(pyrunc, made)
    assert "HOME=/home/user" in see(pyrunc, "--user", "1000", container_id)["env"]
    assert "HOME=/root" in see(pyrunc, container_id)["env"]


def test_process_file(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    """Replaces the container's process as a whole."""
    process = {
        "args": ["/bin/probe"],
        "cwd": "/tmp",
        "env": ["PATH=/bin", "FROM=file"],
        "user": {"uid": 12, "gid": 13, "additionalGids": [14], "umask": 0o077},
        "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]},
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        "oomScoreAdj": 77,
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7},
        "scheduler": {"policy": "SCHED_BATCH", "nice": 3},
    }
    (folder / "process.json").write_text(json.dumps(process))
    seen = pyrunc.ok("exec", "--process", folder / "process.json", container).json()
    assert (seen["cwd"], seen["umask"], seen["oom_score_adj"]) == ("/tmp", 0o077, "77")
    assert seen["env"] == ["PATH=/bin", "FROM=file", "HOME=/"]
    assert (seen["uid"], seen["gid"], seen["groups"]) == ([12] * 3, [13] * 3, [14])
    assert seen["capabilities"] == {"bounding": 32, "permitted": 0, "effective": 0, "inheritable": 0, "ambient": 0}
    assert seen["rlimits"]["CORE"] == [0, 0]
    assert seen["ioprio"] == [2, 7]
    assert (seen["scheduler"]["policy"], seen["scheduler"]["nice"]) == (3, 3)
    assert seen["no_new_privs"] == 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs to choose from")
def test_cpu_affinity(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """execCPUAffinity is for exec alone: that of config.json, or that of the process file."""
    first, *_, last = sorted(os.sched_getaffinity(0))
    made = probe(bundle, execCPUAffinity={"final": str(first)})
    made.save()
    assert len(pyrunc.run(made).json()["affinity"]) > 1
    made.config["process"]["args"] = list(SLEEP)
    made.save()
    container_id, _ = running(pyrunc, made)
    assert see(pyrunc, container_id)["affinity"] == [first]
    for affinity, cpu in (
        ({"initial": str(first), "final": str(last)}, last),
        ({"initial": str(last)}, last),
        ({"final": str(first)}, first),
    ):
        process = {"args": ["/bin/probe"], "cwd": "/", "execCPUAffinity": affinity}
        (folder / "process.json").write_text(json.dumps(process))
        assert pyrunc.ok("exec", "--process", folder / "process.json", container_id).json()["affinity"] == [cpu]


def test_in_the_background(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    pid_file = folder / "pid"
    result = pyrunc.ok("exec", "--detach", "--pid-file", pid_file, container, "/bin/sh", "-c", "sleep 0.2; exit 6")
    pid = int(pid_file.read_bytes())
    assert pid_file.read_bytes() == str(pid).encode()
    assert processes.namespace_pids(pid)[-1] > 1
    assert result.stdout == result.stderr == ""
    assert processes.wait_exit(pid) == 6


def test_failure_in_the_background_leaves_no_process(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    before = set(processes.descendants(os.getpid()))
    result = pyrunc("exec", "--detach", "--pid-file", folder / "pid", container, "/bin/nowhere")
    assert result.returncode == 255
    assert not (folder / "pid").exists()
    assert {pid for pid in processes.descendants(os.getpid()) if processes.alive(pid)} <= before


def test_input_and_output(container: str, pyrunc: Pyrunc) -> None:
    result = pyrunc("exec", container, "/bin/sh", "-c", "cat; echo error >&2", input="through\n")
    assert (result.stdout, result.stderr) == ("through\n", "error\n")


def test_signals_are_forwarded(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"
    with open(folder / "said", "w") as out:
        process = pyrunc.popen("exec", container, "/bin/sh", "-c", script, stdout=out)
    processes.wait_until(lambda: "ready" in (folder / "said").read_text(), "the program")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 9


def test_in_a_created_container(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """As with runc: engines run checks before the program."""
    container_id, _ = pyrunc.create(bundle(SLEEP))
    assert pyrunc.ok("exec", container_id, "echo", "early").stdout == "early\n"
    assert pyrunc.state(container_id)["status"] == "created"


def test_in_a_paused_container(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    frozen = freeze(pyrunc.state(container)["pid"])
    result = pyrunc("exec", container, "true")
    assert result.returncode == 255
    assert "paused" in result.stderr
    with open(folder / "said", "w") as out:
        process = pyrunc.popen("exec", "--ignore-paused", container, "echo", "later", stdout=out)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    assert (folder / "said").read_text() == ""
    thaw(frozen)
    assert process.wait(10) == 0
    assert (folder / "said").read_text() == "later\n"


def test_exec_ends_with_the_container(container: str, pyrunc: Pyrunc) -> None:
    process = pyrunc.popen("exec", container, "/bin/sleep", "1000")
    processes.wait_until(lambda: len(pyrunc.ok("exec", container, "pidof", "sleep").stdout.split()) == 2, "the exec")
    pyrunc.ok("kill", container, "KILL")
    assert process.wait(10) == 137


def test_killed_exec_leaves_nothing_half_made(container: str, pyrunc: Pyrunc) -> None:
    """kill -9 of the command at several moments: the helper dies with it, until the program runs."""

    for moment in (0.02, 0.04, 0.06, 0.08, 0.1, 0.15):
        process = pyrunc.popen("exec", "--detach", container, "/bin/true", stdout=-3, stderr=-3)
        time.sleep(moment)
        process.kill()
        process.wait()
    listed = pyrunc.ok("exec", container, "ps", "-o", "args").stdout
    assert "pyrunc-init" not in listed


def test_many_at_once(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    """Fifty: each with its own output, status and environment."""
    outputs = [open(folder / f"out-{number}", "wb") for number in range(50)]
    try:
        started = [
            pyrunc.popen("exec", "--env", f"N={n}", container, "/bin/sh", "-c", "echo $N; exit $N", stdout=out)
            for n, out in enumerate(outputs)
        ]
        statuses = [process.wait(60) for process in started]
    finally:
        for out in outputs:
            out.close()
    assert statuses == list(range(50))
    assert [(folder / f"out-{n}").read_text() for n in range(50)] == [f"{n}\n" for n in range(50)]
    assert pyrunc.ok("exec", container, "pidof", "sleep").stdout == "1\n"


def test_preserved_descriptors(container: str, pyrunc: Pyrunc, folder: Path) -> None:
    fd = os.open(folder / "kept", os.O_CREAT | os.O_RDWR)

    def place() -> None:
        os.dup2(fd, 20)
        os.dup2(20, 3)

    try:
        seen = see(pyrunc, "--preserve-fds", "1", container, close_fds=False, preexec_fn=place)
    finally:
        os.close(fd)
    assert sorted(seen["fds"]) == ["0", "1", "2", "3"]
    assert seen["fds"]["3"].endswith("/kept")


def test_into_joined_namespaces(bundle: BundleFactory, pyrunc: Pyrunc, holder: Callable[..., NamespaceHolder]) -> None:
    held = holder("network", "ipc", "uts", "pid")
    made = bundle(SLEEP)
    made.config.pop("hostname")
    for entry in made.config["linux"]["namespaces"]:
        if entry["type"] != "mount":
            entry["path"] = held.path(entry["type"])
    made.save()
    container_id, pid = running(pyrunc, made)
    seen = see(pyrunc, container_id)
    assert seen["namespaces"] == {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in seen["namespaces"]}
    assert seen["pid"] > 1


def test_exec_in_a_cgroup_below(container: str, pyrunc: Pyrunc) -> None:
    state = json.loads((pyrunc.root / container / "state.json").read_text())
    below = [Path(path) / "below" for path in state["cgroups"].values()]
    for path in below:
        path.mkdir()
    try:
        # A cpuset of its own has no CPUs until it is told which.
        for path in below:
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (path / name).exists():
                    (path / name).write_text((path.parent / name).read_text())
        seen = see(pyrunc, "--cgroup", "below", container)
        assert any(line.endswith(f"{container}/below") for line in seen["cgroups"]), seen["cgroups"]
    finally:
        for path in below:
            path.rmdir()


def test_seccomp_and_limits_of_the_container_hold(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(SLEEP)
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]
    made.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    made.config["process"]["noNewPrivileges"] = False
    made.save()
    container_id, _ = running(pyrunc, made)
    result = pyrunc("exec", container_id, "mkdir", "/dev/shm/x")
    assert result.returncode == 1
    assert "Operation not supported" in result.stderr


def test_the_helper_cannot_be_seen_through(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A container's process that watches all of /proc never gets at another root, executable or memory."""
    watch = (
        "cd /proc; while :; do for p in [0-9]*; do "
        "case $(readlink $p/exe 2>/dev/null) in *init*|*python*) echo exe $p;; esac; "
        "ls $p/root/work >/dev/null 2>&1 && echo root $p; done; done"
    )
    container_id, result = pyrunc.create(bundle(watch))
    pyrunc.ok("start", container_id)
    for _ in range(10):
        pyrunc.ok("exec", container_id, "true")
    assert result.stdout == ""


def test_the_keyring_of_every_exec(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """It is that of the container's process: one that an exec had made would be gone with it."""
    container_id, _ = running(pyrunc, bundle(SLEEP))
    first = see(pyrunc, container_id)["keyring"]
    assert first["id"] > 0
    assert see(pyrunc, container_id)["keyring"] == first


def test_no_new_keyring_holds_for_exec(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """A container that stays in its caller's session keyring has its later processes there, too."""
    container_id, _ = pyrunc.create(bundle(SLEEP), "--no-new-keyring")
    pyrunc.ok("start", container_id)
    description = see(pyrunc, container_id)["keyring"]["description"]
    assert "_ses." + container_id not in (description or "")
