"""What a generated configuration may ask for its process."""

from tests.differential.case import Case
from tests.differential.generator import Dice, Feature

CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW"
    " CAP_SYS_CHROOT CAP_SYS_ADMIN CAP_MKNOD CAP_AUDIT_WRITE CAP_SETFCAP"
).split()
INFINITE = 2**64 - 1
LIMITS = {
    "RLIMIT_NOFILE": (64, 1024, 20000),
    "RLIMIT_CORE": (0, 4096, INFINITE),
    "RLIMIT_CPU": (100, 1000, INFINITE),
    "RLIMIT_DATA": (1 << 28, 1 << 40, INFINITE),
    "RLIMIT_FSIZE": (1 << 20, 1 << 30, INFINITE),
    "RLIMIT_STACK": (1 << 20, 8 << 20, INFINITE),
    "RLIMIT_NPROC": (100, 1000, 50000),
    "RLIMIT_MEMLOCK": (0, 4096, 65536),
    "RLIMIT_MSGQUEUE": (0, 1000, 819200),
    "RLIMIT_SIGPENDING": (0, 100, 1000),
    "RLIMIT_RTTIME": (1000, 10**6, INFINITE),
}


def user(dice: Dice, case: Case) -> None:
    """uid, gid and groups: known ones, unknown ones, many, the same twice."""
    found = case.config["process"]["user"]
    found.update(uid=dice.one([0, 1, 1000, 65534, 4000000]), gid=dice.one([0, 5, 1000, 65534, 4000000]))
    groups = dice.one([None, [], [5], [10, 20, 10], [0, 1000, 65534], list(range(100, 164))])
    if groups is not None:
        found["additionalGids"] = groups


def umask(dice: Dice, case: Case) -> None:
    """A file creation mask.  (Without this feature there is none.)"""
    case.config["process"]["user"]["umask"] = dice.one([0, 0o022, 0o077, 0o027, 0o777])


def capabilities(dice: Dice, case: Case) -> None:
    """The five sets, mostly such that the kernel takes them."""
    bounding = dice.some(CAPABILITIES, 12)
    permitted = dice.some(bounding, 12) if dice.chance(0.9) else dice.some(CAPABILITIES, 6)
    effective = dice.some(permitted, 12) if dice.chance(0.9) else dice.some(CAPABILITIES, 3)
    inheritable = dice.some(bounding, 6)
    common = [name for name in permitted if name in inheritable]
    ambient = dice.some(common, 6) if dice.chance(0.8) else dice.some(permitted, 2)
    if set(ambient) - set(common):
        case.marks.add("ambient-beyond")
    if set(effective) - set(permitted):
        case.marks.add("effective-beyond")
    if set(permitted) - set(bounding):
        case.marks.add("permitted-beyond")
    sets = {
        "bounding": bounding,
        "permitted": permitted,
        "effective": effective,
        "inheritable": inheritable,
        "ambient": ambient,
    }
    for name in dice.some(list(sets), 1) if dice.chance(0.3) else []:
        del sets[name]
    case.config["process"]["capabilities"] = sets
    if dice.chance(0.1):
        del case.config["process"]["capabilities"]


def limits(dice: Dice, case: Case) -> None:
    """Resource limits, soft at or below hard."""
    found = []
    for kind in dice.some(list(LIMITS), 6):
        hard = dice.one(LIMITS[kind])
        found.append({"type": kind, "hard": hard, "soft": min(hard, dice.one(LIMITS[kind]))})
    case.config["process"]["rlimits"] = found


def environment(dice: Dice, case: Case) -> None:
    """Variables at the edge: none, HOME set or empty, twice the same, no value, spaces, other alphabets."""
    case.config["process"]["env"] = dice.one(
        [
            ["PATH=/bin"],
            ["PATH=/bin", "HOME=/elsewhere"],
            ["HOME=", "PATH=/bin"],
            ["A=1", "A=2", "PATH=/bin", "A=3"],
            ["EMPTY=", "PATH=/bin:/usr/bin", "EQUALS=a=b=c"],
            ["SPACES=  a b  ", "LINES=a\nb", "PATH=/bin"],
            ["GREEK=\u03b1\u03b2\u03b3", "PATH=/bin", "EMOJI=\U0001f980"],
            ["PATH=/bin", *[f"V{number}={'x' * number}" for number in range(60)]],
            [],
        ]
    )


def directory(dice: Dice, case: Case) -> None:
    """Working directories: there, missing, through links, of a file system that is mounted."""
    case.config["process"]["cwd"] = dice.one(
        [
            "/",
            "/tmp",
            "/made/by/runtime",
            "/srv/link-to-files",
            "/srv/link-up",
            "/srv/link-absolute/er",
            "/dev/shm",
            "/proc",
        ]
    )


def arguments(dice: Dice, case: Case) -> None:
    """How the program is found: by PATH, absolute, relative, with a first argument of its own."""
    case.config["process"]["args"] = [dice.one(["probe", "/bin/probe", "/usr/../bin/probe", "/proc/../bin//probe"])]
    case.config["process"]["env"] = ["PATH=/usr/bin:/nowhere:/bin"]


def oom_score(dice: Dice, case: Case) -> None:
    """Only up: down takes a capability that root may lack."""
    case.config["process"]["oomScoreAdj"] = dice.one([0, 1, 500, 1000])


def no_new_privileges(dice: Dice, case: Case) -> None:
    """Set, not set, absent."""
    case.config["process"]["noNewPrivileges"] = dice.one([True, False])
    if dice.chance(0.3):
        del case.config["process"]["noNewPrivileges"]


def scheduler(dice: Dice, case: Case) -> None:
    """Policies that a process in a new cgroup of v1 may have."""
    policy = dice.one(["SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"])
    case.config["process"]["scheduler"] = {"policy": policy, "nice": dice.one([0, 5, 19])}


def io_priority(dice: Dice, case: Case) -> None:
    """A class and a level."""
    kind = dice.one(["IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE", "IOPRIO_CLASS_RT"])
    case.config["process"]["ioPriority"] = {"class": kind, "priority": dice.one([0, 4, 7])}


FEATURES: list[Feature] = [
    user,
    umask,
    capabilities,
    limits,
    environment,
    directory,
    arguments,
    oom_score,
    no_new_privileges,
    scheduler,
    io_priority,
]
