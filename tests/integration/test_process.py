"""What config.json says under `process` and beside it, as the container's own program sees it."""

import os
import resource
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.inside import probe, refused, see
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root


def test_defaults(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Of a plain container: nothing of the runtime, of Python or of the host has stayed in its process."""
    seen = see(pyrunc, probe(bundle))
    assert (seen["pid"], seen["ppid"], seen["pgid"], seen["sid"]) == (1, 0, 1, 1)
    assert seen["uid"] == seen["gid"] == [0, 0, 0]
    assert seen["groups"] == []
    assert int(seen["status"]["SigBlk"], 16) == int(seen["status"]["SigIgn"], 16) == 0
    assert int(seen["status"]["SigCgt"], 16) == 0
    assert sorted(seen["fds"]) == ["0", "1", "2"]
    assert seen["umask"] == 0o022
    assert seen["pdeathsig"] == 0
    assert seen["dumpable"] == 1
    assert seen["securebits"] == 0
    assert seen["exe"] == "/bin/probe"
    assert seen["hostname"] == "runc"
    assert seen["cwd"] == "/"
    assert sorted(seen["affinity"]) == sorted(os.sched_getaffinity(0))
    assert seen["personality"] == 0
    assert seen["tty"]["controlling"] == 0


def test_state_of_the_caller_does_not_reach_the_container(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    """Open files, ignored and blocked signals, umask, groups, working directory, priority: the caller's alone."""
    import signal

    def spoil() -> None:
        os.umask(0o777 - 0o700)
        os.setgroups([4711])
        os.chdir("/var")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGQUIT})

    with open(folder / "secret", "w+") as file:
        # SIGCHLD ignored would make the foreground lose the status: create does not wait.
        made = probe(bundle)
        container_id, result = pyrunc.create(made, pass_fds=(file.fileno(),), preexec_fn=spoil)
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")
    seen = result.json()
    assert int(seen["status"]["SigBlk"], 16) == int(seen["status"]["SigIgn"], 16) == 0
    assert sorted(seen["fds"]) == ["0", "1", "2"]
    assert seen["groups"] == []
    assert seen["umask"] == 0o022
    assert seen["cwd"] == "/"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs to choose from")
def test_cpus_are_those_of_the_cgroup(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """And not those that the caller happens to run on, as by taskset(1) or systemd's CPUAffinity."""
    everywhere = sorted(os.sched_getaffinity(0))

    def stay_on_one() -> None:
        os.sched_setaffinity(0, everywhere[:1])

    made = probe(bundle)
    assert sorted(see(pyrunc, made, preexec_fn=stay_on_one)["affinity"]) == everywhere
    made.config["linux"].setdefault("resources", {})["cpu"] = {"cpus": str(everywhere[-1])}
    assert see(pyrunc, made, preexec_fn=stay_on_one)["affinity"] == everywhere[-1:]
    made.config["process"]["args"] = ["/bin/sleep", "1000"]
    made.config["linux"]["resources"].pop("cpu")
    made.save()
    container_id, _ = pyrunc.create(made)
    pyrunc.ok("start", container_id)
    seen = pyrunc.ok("exec", container_id, "/bin/probe", preexec_fn=stay_on_one).json()
    assert sorted(seen["affinity"]) == everywhere


def test_preserved_descriptors(bundle: BundleFactory, pyrunc: Pyrunc, folder: Path) -> None:
    fds = [os.open(folder / name, os.O_CREAT | os.O_RDWR) for name in ("one", "two", "three")]

    def place() -> None:
        for number, fd in enumerate(fds):
            os.dup2(fd, 20 + number)
        for number in range(3):
            os.dup2(20 + number, 3 + number)

    try:
        made = probe(bundle)
        seen = see(pyrunc, made, "--preserve-fds", "2", close_fds=False, preexec_fn=place)
    finally:
        for fd in fds:
            os.close(fd)
    assert {number: Path(name).name for number, name in seen["fds"].items() if int(number) > 2} == {
        "3": "one",
        "4": "two",
    }


@pytest.mark.parametrize("names", [["NOT_OPEN"]])
def test_preserving_what_is_not_open(bundle: BundleFactory, pyrunc: Pyrunc, names: "list[str]") -> None:
    result = pyrunc.run(probe(bundle), "--preserve-fds", "7")
    assert result.returncode == 1
    assert pyrunc.containers() == []


# --- args, env, cwd ---------------------------------------------------------------------------------------------------


def test_path_lookup(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """In the container's PATH and root: the first file that can be executed; a directory or plain file is none."""
    made = probe(bundle, env=["PATH=/nowhere:/a:/b:/c:/d:/bin"])
    for name in "abcd":
        (made.rootfs / name).mkdir()
    (made.rootfs / "a/tool").mkdir()
    (made.rootfs / "b/tool").write_text("#!/bin/sh\necho b\n")
    for name in "cd":
        (made.rootfs / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
        (made.rootfs / name / "tool").chmod(0o755)
    made.config["process"]["args"] = ["tool"]
    made.save()
    assert pyrunc.run(made).stdout == "c\n"


def test_empty_parts_of_path_are_the_working_directory(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, env=["PATH=:/nowhere"], cwd="/work", args=["tool"])
    (made.rootfs / "work").mkdir()
    (made.rootfs / "work/tool").write_text("#!/bin/sh\necho here\n")
    (made.rootfs / "work/tool").chmod(0o755)
    assert pyrunc.run(made).stdout == "here\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nowhere"], 'exec: "nowhere": executable file not found in $PATH'),
        (["/bin/nowhere"], 'exec: "/bin/nowhere": stat /bin/nowhere: no such file or directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
        (["/etc"], 'exec: "/etc": is a directory: permission denied'),
        (["plain"], 'exec: "plain": executable file not found in $PATH'),
        ([""], 'exec: "": executable file not found in $PATH'),
        (["/etc/passwd/x"], 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory'),
        (["/loop"], 'exec: "/loop": stat /loop: too many levels of symbolic links'),
    ],
)
def test_program_that_cannot_run(bundle: BundleFactory, pyrunc: Pyrunc, args: "list[str]", words: str) -> None:
    """Said by create already, in the words that engines match."""
    made = probe(bundle, args=args)
    (made.rootfs / "loop").symlink_to("loop")
    (made.rootfs / "bin/plain").touch()
    result = pyrunc("create", "--bundle", made, pyrunc.new_id())
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[0]
    assert pyrunc.containers() == []


def test_program_without_interpreter(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Only the exec itself finds that out: `start` tells it."""
    made = probe(bundle, args=["/script"])
    (made.rootfs / "script").write_text("#!/nowhere/sh\n")
    (made.rootfs / "script").chmod(0o755)
    container_id, _ = pyrunc.create(made)
    result = pyrunc("start", container_id)
    assert result.returncode == 1
    assert 'exec: "/script": the interpreter /nowhere/sh: no such file or directory' in result.stderr.splitlines()[0]
    pyrunc.wait_status(container_id, "stopped")


def test_arguments_are_passed_as_they_are(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    odd = ["", " ", "a b", "'\"\\$(x)", "line\nbreak", "käse", "x" * 100_000, "-"]
    made = probe(bundle)
    made.config["process"]["args"] += odd
    assert see(pyrunc, made)["args"][1:] == [text.encode().decode("latin-1") for text in odd]


def test_environment(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Each variable once, with its last value; nothing of the caller's."""
    env = ["PATH=/bin", "A=1", "B=", "A=2", "HOME=/elsewhere", "LONG=" + "x" * 100_000, "EQUALS=a=b"]
    seen = see(pyrunc, probe(bundle, env=env), env={"PATH": "/usr/bin", "SECRET": "1", "LISTEN_FDS": "0"})
    assert seen["env"] == ["PATH=/bin", "A=2", "B=", "HOME=/elsewhere", "LONG=" + "x" * 100_000, "EQUALS=a=b"]


@pytest.mark.parametrize(
    ("uid", "passwd", "home"),
    [
        (0, "root:x:0:0:root:/root:/bin/sh\n", "/root"),
        (1000, "root:x:0:0::/root:\nuser:x:1000:1000:,,,:/home/user:/bin/sh\nsecond:x:1000:1:::\n", "/home/user"),
        (1000, "# comment\n\nbroken\nuser:x:1000:1000::/home/last", "/home/last"),
        (1000, "root:x:0:0::/root:/bin/sh\n", "/"),
        (1000, "user:x:1000:1000:::/bin/sh\n", "/"),
        (1000, None, "/"),
    ],
)
def test_home(bundle: BundleFactory, pyrunc: Pyrunc, uid: int, passwd: "str | None", home: str) -> None:
    made = probe(bundle, user={"uid": uid, "gid": 0}, env=["PATH=/bin"])
    if passwd is None:
        (made.rootfs / "etc/passwd").unlink()
    else:
        (made.rootfs / "etc/passwd").write_text(passwd)
    assert see(pyrunc, made)["env"] == ["PATH=/bin", f"HOME={home}"]


def test_passwd_that_is_a_fifo_does_not_hang(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, env=["PATH=/bin"])
    (made.rootfs / "etc/passwd").unlink()
    os.mkfifo(made.rootfs / "etc/passwd")
    assert see(pyrunc, made)["env"] == ["PATH=/bin", "HOME=/"]


def test_working_directory_is_made(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, "stat:.", cwd="/made/of/parts")
    made.config["root"]["readonly"] = False
    seen = see(pyrunc, made)
    assert seen["cwd"] == "/made/of/parts"
    assert seen["stat"]["."]["mode"] == 0o755


def test_working_directory_in_a_mount(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, cwd="/dev/shm")
    assert see(pyrunc, made)["cwd"] == "/dev/shm"


def test_working_directory_through_links(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, cwd="/link/tmp")
    (made.rootfs / "link").symlink_to("/../../../..")
    assert see(pyrunc, made)["cwd"] == "/tmp"


def test_working_directory_that_only_the_user_may_enter(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = probe(bundle, cwd="/own", user={"uid": 1000, "gid": 1000}, capabilities={})
    (made.rootfs / "own").mkdir(mode=0o700)
    os.chown(made.rootfs / "own", 1000, 1000)
    assert see(pyrunc, made)["cwd"] == "/own"


def test_working_directory_that_the_user_may_not_enter(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """As with runc, root of the container takes the user there."""
    made = probe(bundle, cwd="/closed", user={"uid": 1000, "gid": 1000}, capabilities={})
    (made.rootfs / "closed").mkdir(mode=0o700)
    assert see(pyrunc, made)["cwd"] == "/closed"


def test_working_directory_is_a_file(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    refused(pyrunc, probe(bundle, cwd="/etc/passwd"), "/etc/passwd", "not a directory")


# --- user, groups, umask, limits --------------------------------------------------------------------------------------


def test_user_and_groups(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    user = {"uid": 1234, "gid": 2345, "additionalGids": [5, 7, 70000, 2345], "umask": 0o027}
    seen = see(pyrunc, probe(bundle, user=user))
    assert seen["uid"] == [1234] * 3
    assert seen["gid"] == [2345] * 3
    assert sorted(seen["groups"]) == [5, 7, 2345, 70000]
    assert seen["umask"] == 0o027


def test_many_groups(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    seen = see(pyrunc, probe(bundle, user={"uid": 0, "gid": 0, "additionalGids": list(range(1000, 6000))}))
    assert sorted(seen["groups"]) == list(range(1000, 6000))


@pytest.mark.parametrize("umask", [0, 0o777])
def test_umask(bundle: BundleFactory, pyrunc: Pyrunc, umask: int) -> None:
    assert see(pyrunc, probe(bundle, user={"uid": 0, "gid": 0, "umask": umask}))["umask"] == umask


RLIMITS = (
    "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING",
    "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
)  # fmt: skip


def test_all_limits(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Each below what there is, and each another; what is not named stays as it is."""
    wanted = {}
    for number, name in enumerate(RLIMITS):
        hard = resource.getrlimit(number)[1]
        ample = 2**30 if name in ("FSIZE", "DATA", "STACK", "AS", "RSS") else 500
        hard = ample + number if hard == resource.RLIM_INFINITY else min(hard, ample + number)
        wanted[name] = [max(hard - 10, 0), hard]
    made = probe(bundle)
    made.config["process"]["rlimits"] = [
        {"type": f"RLIMIT_{name}", "soft": soft, "hard": hard} for name, (soft, hard) in wanted.items()
    ]
    assert see(pyrunc, made)["rlimits"] == wanted
    made.config["process"]["rlimits"] = []
    infinity = 2**64 - 1
    assert see(pyrunc, made)["rlimits"] == {
        name: [infinity if value == -1 else value for value in resource.getrlimit(number)]
        for number, name in enumerate(RLIMITS)
    }


def test_tiny_limits_do_not_hamper_the_helper(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    limits = [("NOFILE", 3), ("NPROC", 1), ("FSIZE", 0), ("CORE", 0), ("LOCKS", 0), ("MEMLOCK", 0), ("MSGQUEUE", 0)]
    made = bundle("echo fine")
    made.config["process"]["rlimits"] = [{"type": f"RLIMIT_{n}", "soft": v, "hard": v} for n, v in limits]
    made.save()
    # busybox's sh needs one more descriptor than a limit of 3 leaves: it says so, from inside.
    made.config["process"]["args"] = ["/bin/echo", "fine"]
    made.save()
    fifo_output = pyrunc.run(made)
    # The limit on file size counts for the test's own output file, too: the write fails, nothing else.
    assert fifo_output.stderr in ("", "echo: write error: File too large\n") or fifo_output.returncode == 153


def test_limit_that_may_not_be_raised(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    made = probe(bundle, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 10, "hard": hard + 1}])
    made.save()
    result = pyrunc.run(made)
    if result.returncode:
        assert "process.rlimits[0]" in result.stderr
        assert "operation not permitted" in result.stderr
        assert "CAP_SYS_RESOURCE" in result.stderr
    else:
        assert result.json()["rlimits"]["NOFILE"] == [10, hard + 1]
