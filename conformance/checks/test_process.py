"""config.md#process: what the container's process is given."""

from conformance.command import Runtime
from conformance.requirement import MUST, SHOULD, check, drop, forgive, garble


@check(200, MUST, "config.md#process", "cwd is the working directory", garble("/process/cwd", "/"))
def test_cwd(oci: Runtime) -> None:
    assert oci.see(oci.probe(cwd="/usr/bin"))["cwd"] == "/usr/bin"


@check(201, MUST, "config.md#process", "a cwd that is not absolute is an error", forgive("create"))
def test_relative_cwd(oci: Runtime) -> None:
    oci.refuses(oci.probe(cwd="usr"))


@check(
    202, MUST, "config.md#process", "env is the environment", drop("/process/env/1"), garble("/process/env/1", "A=x")
)
def test_env(oci: Runtime) -> None:
    env = ["PATH=/bin", "CONFORMANCE=a b=c", "EMPTY="]
    seen = oci.see(oci.probe(env=env))["env"]
    assert [entry for entry in seen if not entry.startswith("HOME=")] == env


@check(203, MUST, "config.md#process", "args are the program and its arguments", garble("/process/args/1", "other"))
def test_args(oci: Runtime) -> None:
    made = oci.bundle(("/bin/sh", "-c", 'echo "$0|$1|$2"', "zero", "with blank", ""))
    result = oci.run(made)
    assert (result.returncode, result.stdout) == (0, "zero|with blank|\n")


@check(
    204,
    MUST,
    "config.md#process",
    "a program without a slash is looked for in the PATH of env",
    garble("/process/env", ["PATH=/usr/bin"]),
)
def test_path_search(oci: Runtime) -> None:
    made = oci.bundle(("probe",))
    made.config["process"]["env"] = ["PATH=/nonexistent:/bin"]
    assert oci.run(made.save()).returncode == 0


@check(205, MUST, "config.md#process", "a process without args is an error", forgive("create"))
def test_no_args(oci: Runtime) -> None:
    oci.refuses(oci.probe(args=[]))


@check(206, MUST, "config.md#process", "a program that is not there is an error", forgive("run"), forgive("create"))
def test_missing_program(oci: Runtime) -> None:
    assert oci.run(oci.bundle(("/no/such/program",))).returncode != 0


@check(
    207, MUST, "config.md#process", "with terminal stdin, stdout and stderr are a terminal", drop("/process/terminal")
)
def test_terminal(oci: Runtime) -> None:
    made = oci.bundle("test -t 0 && test -t 1 && test -t 2 && touch /terminal; sleep 1000")
    made.config["process"]["terminal"] = True
    with oci.console() as console:
        name, _ = oci.create(made.save(), "--console-socket", str(console.path))
        oci.ok("start", name)
        oci.wait_for(made, "terminal")


@check(208, SHOULD, "config.md#process", "consoleSize is the size of the terminal", drop("/process/consoleSize"))
def test_console_size(oci: Runtime) -> None:
    made = oci.bundle("stty size > /size; mv /size /sized; sleep 1000")
    made.config["process"].update(terminal=True, consoleSize={"height": 33, "width": 111})
    with oci.console() as console:
        name, _ = oci.create(made.save(), "--console-socket", str(console.path))
        oci.ok("start", name)
        oci.wait_for(made, "sized")
    assert (made.rootfs / "sized").read_text() == "33 111\n"


@check(210, MUST, "config.md#posix-process", "rlimits are set, soft and hard", drop("/process/rlimits"))
def test_rlimits(oci: Runtime) -> None:
    limits = [
        {"type": "RLIMIT_NOFILE", "soft": 123, "hard": 456},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 1 << 22},
    ]
    seen = oci.see(oci.probe(rlimits=limits))["rlimits"]
    for limit in limits:
        assert seen[str(limit["type"]).removeprefix("RLIMIT_")] == [limit["soft"], limit["hard"]]


@check(
    211,
    MUST,
    "config.md#posix-process",
    "an unknown type of rlimit is an error",
    forgive("create"),
    drop("/process/rlimits"),
)
def test_unknown_rlimit(oci: Runtime) -> None:
    oci.refuses(oci.probe(rlimits=[{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]))


@check(
    212,
    MUST,
    "config.md#posix-process",
    "the same type of rlimit twice is an error",
    forgive("create"),
    drop("/process/rlimits/1"),
)
def test_rlimit_twice(oci: Runtime) -> None:
    entry = {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}
    oci.refuses(oci.probe(rlimits=[entry, {**entry, "soft": 50}]))


CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
BITS = sum(1 << number for number in (29, 5, 10))


SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


@check(
    213,
    MUST,
    "config.md#linux-process",
    "the five capability sets are those of the configuration",
    drop("/process/capabilities"),
    *(garble(f"/process/capabilities/{name}", ["CAP_KILL"]) for name in SETS if name != "effective"),
)
def test_capabilities(oci: Runtime) -> None:
    # The effective set of a user other than root is what the ambient set makes of it (capabilities(7)).
    made = oci.probe(capabilities=dict.fromkeys(SETS, CAPABILITIES), user={"uid": 1000, "gid": 1000})
    seen = oci.see(made)["capabilities"]
    assert {name: seen[name] for name in SETS} == dict.fromkeys(SETS, BITS)


@check(
    214,
    SHOULD,
    "config.md#linux-process",
    "an unknown capability is no error",
    garble("/process/capabilities/bounding", 7),
)
def test_unknown_capability(oci: Runtime) -> None:
    made = oci.probe()
    for entries in made.config["process"]["capabilities"].values():
        entries.append("CAP_NONSENSE")
    assert oci.run(made.save()).returncode == 0


@check(
    215, MUST, "config.md#linux-process", "noNewPrivileges sets no_new_privs", garble("/process/noNewPrivileges", False)
)
def test_no_new_privileges(oci: Runtime) -> None:
    assert oci.see(oci.probe(noNewPrivileges=True))["no_new_privs"] == 1


@check(
    216,
    MUST,
    "config.md#linux-process",
    "without noNewPrivileges it is not set",
    garble("/process/noNewPrivileges", True),
)
def test_new_privileges(oci: Runtime) -> None:
    assert oci.see(oci.probe(noNewPrivileges=False))["no_new_privs"] == 0


@check(217, MUST, "config.md#linux-process", "oomScoreAdj is set", drop("/process/oomScoreAdj"))
def test_oom_score(oci: Runtime) -> None:
    assert oci.see(oci.probe(oomScoreAdj=321))["oom_score_adj"] == "321"


@check(
    218, MUST, "config.md#linux-process", "without oomScoreAdj the caller's remains", garble("/process/oomScoreAdj", 77)
)
def test_no_oom_score(oci: Runtime) -> None:
    made = oci.probe()
    made.config["process"].pop("oomScoreAdj", None)
    with open("/proc/self/oom_score_adj") as file:
        assert oci.see(made)["oom_score_adj"] == file.read().strip()


@check(219, MUST, "config.md#linux-process", "scheduler sets policy and nice", drop("/process/scheduler"))
def test_scheduler(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    seen = oci.see(oci.probe(scheduler={"policy": "SCHED_BATCH", "nice": 7}))["scheduler"]
    assert (seen["policy"], seen["nice"]) == (3, 7)


@check(220, MUST, "config.md#linux-process", "ioPriority sets class and priority", drop("/process/ioPriority"))
def test_io_priority(oci: Runtime) -> None:
    oci.needs_version("1.1.0")
    seen = oci.see(oci.probe(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6}))["ioprio"]
    assert seen == [2, 6]


@check(
    230,
    MUST,
    "config.md#user",
    "the process has the uid, gid and additionalGids",
    drop("/process/user/additionalGids"),
    garble("/process/user/uid", 0),
    garble("/process/user/gid", 0),
)
def test_user(oci: Runtime) -> None:
    seen = oci.see(oci.probe(user={"uid": 1234, "gid": 2345, "additionalGids": [7, 8]}))
    assert set(seen["uid"]) == {1234}
    assert set(seen["gid"]) == {2345}
    assert {7, 8} <= set(seen["groups"])
    assert set(seen["groups"]) <= {7, 8, 2345}


@check(231, MUST, "config.md#user", "umask is set", drop("/process/user/umask"))
def test_umask(oci: Runtime) -> None:
    assert oci.see(oci.probe(user={"uid": 0, "gid": 0, "umask": 0o137}))["umask"] == 0o137


@check(
    232,
    MUST,
    "config.md#user",
    "without additionalGids the caller's groups are not kept",
    garble("/process/user/additionalGids", [4321]),
)
def test_no_groups(oci: Runtime) -> None:
    assert set(oci.see(oci.probe(user={"uid": 1, "gid": 1}))["groups"]) <= {1}
