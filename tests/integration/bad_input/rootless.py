"""An ordinary user: what the configuration lacks, what it must not have, and what the host does not give."""

from typing import Any

from pyrunc.spec.default import default_config
from tests.integration.bad_input.case import SLEEP, Case, World, add, put
from tests.integration.bad_input.environment import NOBODY, as_nobody, unreadable_root
from tests.support.bundles import Config

COMMAND = "--root {tmp}/own create --bundle {bundle} {id}"
DELEGATE = (
    "hint: on cgroup v2 a user may make cgroups below one that is delegated to him:"
    " systemd-run --user --scope -p Delegate=yes pyrunc ..."
)


def users(config: Config) -> None:
    """The configuration is what `spec --rootless` writes for the user."""
    config.clear()
    config.update(default_config(rootless=True))
    config["process"].update(args=SLEEP, terminal=False)
    maps(config, (0, NOBODY, 1))


def maps(config: Config, *ranges: "tuple[int, int, int]") -> None:
    """The mappings are these."""
    for kind in ("uidMappings", "gidMappings"):
        config["linux"][kind] = [{"containerID": c, "hostID": h, "size": s} for c, h, s in ranges]


def ranges(config: Config) -> None:
    """The mappings have a range that is nobody's."""
    maps(config, (0, NOBODY, 1), (1, 1 << 30, 100))


def of_another(config: Config) -> None:
    """The mappings are another user's."""
    maps(config, (0, 1 << 30, 1))


def low_limit(world: World) -> None:
    """The user's hard limit for open files is 1500."""
    as_nobody(world)
    world.options["preexec_fn"] = lower


def lower() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1500))


def mount(**fields: Any) -> Any:
    """One more mount, on /a."""
    return add("mounts", {"destination": "/a", "type": "tmpfs", "source": "a", **fields})


CASES = [
    Case(
        "a user without user namespace",
        "pyrunc create failed: {id}: linux.namespaces: rootless container requires user namespaces\n"
        'hint: add {"type": "user"} with uidMappings and gidMappings: `pyrunc spec --rootless` shows how',
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and uid= that is not mapped",
        "pyrunc create failed: {id}: mounts[7] (/a): cannot specify uid= mount options for unmapped uid in rootless "
        "containers: uid=5\nhint: leave it out, or map 5 by linux.uidMappings",
        [users, mount(options=["uid=5"])],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and gid= that is not mapped",
        "pyrunc create failed: {id}: mounts[7] (/a): cannot specify gid= mount options for unmapped gid in rootless "
        "containers: gid=5\nhint: leave it out, or map 5 by linux.gidMappings",
        [users, mount(type="devpts", options=["gid=5"])],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and additional groups",
        "pyrunc create failed: {id}: process.user.additionalGids: cannot set any additional groups in a rootless "
        "container\nhint: map more groups than the user's own, which takes a range in /etc/subgid: then groups can be "
        "set",
        [users, put("process.user.additionalGids", [0])],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and an idmapped mount",
        "pyrunc create failed: {id}: mounts[7] (/a): idmapped mounts are not possible in rootless containers\n"
        "hint: only who has privileges over the whole file system may map its ids",
        [users, mount(type="bind", source="/tmp", options=["bind", "idmap"])],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and another's namespace",
        "pyrunc create failed: {id}: linux.namespaces[5] (network): join network namespace: /proc/1/ns/net: "
        "permission denied",
        [users, add("linux.namespaces", {"type": "network", "path": "/proc/1/ns/net"})],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and a lower oom score",
        "pyrunc create failed: {id}: process.oomScoreAdj: write oom_score_adj: permission denied\n"
        "hint: Lowering it needs CAP_SYS_RESOURCE.",
        [users, put("process.oomScoreAdj", -900)],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and a higher limit",
        "pyrunc create failed: {id}: process.rlimits[0]: set the limits to 1024:1501: prlimit: operation not permitted"
        "\nhint: Raising a hard limit needs CAP_SYS_RESOURCE.",
        [users, put("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1501}])],
        prepare=low_limit,
        command=COMMAND,
    ),
    Case(
        "a user and ids that are not his",
        "pyrunc create failed: {id}: linux.uidMappings: write uid_map: newuidmap: uid range [1-101) -> "
        "[1073741824-1073741924) not allowed\nhint: /etc/subuid has no entry for nobody: "
        "usermod --add-subuids 100000-165535 nobody (as root) makes one",
        [users, ranges],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and the configuration of another",
        "pyrunc create failed: {id}: linux.uidMappings: write uid_map: newuidmap: uid range [0-1) -> "
        "[1073741824-1073741825) not allowed\nhint: linux.uidMappings maps 1073741824, the caller is 65534: "
        "`pyrunc spec --rootless` maps the caller",
        [users, of_another],
        prepare=as_nobody,
        command=COMMAND,
    ),
    Case(
        "a user and a limit on cgroup v1",
        "pyrunc create failed: {id}: linux.resources.pids.limit: make cgroup /sys/fs/cgroup/pids/{id}: rootless needs "
        "no limits + no cgrouppath when no permission is granted for cgroups: /sys/fs/cgroup/pids/{id}: permission "
        f"denied\n{DELEGATE}",
        [users, put("linux.resources", {"pids": {"limit": 5}})],
        prepare=as_nobody,
        command=COMMAND,
        marks=["cgroup1"],
    ),
    Case(
        "a user and a cgroup of the host's",
        "pyrunc create failed: {id}: linux.cgroupsPath: make cgroup /sys/fs/cgroup/pyrunc-test-none: rootless needs no "
        "limits + no cgrouppath when no permission is granted for cgroups: /sys/fs/cgroup/pyrunc-test-none: permission "
        f"denied\n{DELEGATE}",
        [users, put("linux.cgroupsPath", "/pyrunc-test-none")],
        prepare=as_nobody,
        command=COMMAND,
        marks=["cgroup2"],
    ),
    Case(
        "a user and another's state root",
        "pyrunc create failed: {id}: open the state root {root}: permission denied\n"
        "hint: name a directory of your own with --root",
        [users],
        prepare=unreadable_root,
    ),
]
