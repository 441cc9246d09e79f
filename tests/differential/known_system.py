"""Known differences in states, hooks, cgroups and system calls."""

from tests.differential.known import BOTH, Known

ENTRIES = (
    Known(
        "state-version",
        BOTH,
        (r"state (created|stopped) ociVersion",),
        ours="the state's `ociVersion` is that of the configuration",
        theirs="that of the runtime's own specification",
        why="runtime.md: the version of the specification with which the state complies.",
    ),
    Known(
        "state-of-crun",
        ("crun",),
        (r"state (created|stopped) (owner|rootfs)",),
        ours='`owner` and `rootfs` as runc has them: "" for root, an absolute path',
        theirs="a name; what the configuration says",
        why="Outside the specification; containerd and cAdvisor know runc's.",
    ),
    Known(
        "state-in-hooks",
        BOTH,
        (r"hooks",),
        ours="hooks read the states and pids that runtime.md names: `creating` before the container is made, "
        "`running` for poststart, the container's own view of the pid in its namespace",
        theirs="runc 1.1: `created` for poststart, which runs too early; crun: `created` from the start, no pid in "
        "the container, a key `root`",
        why="runtime.md, life cycle.",
        marks=("hooks",),
    ),
    Known(
        "warnings-of-runc",
        ("runc",),
        (r"warns",),
        ours="a relative destination, a `kernelTCP` limit: done, without a word",
        theirs="a warning; the limit is ignored",
        why="Both are in the specification, deprecated or not recommended. podman reads a log with more than "
        "one line as none.",
        marks=("binds", "resources_of_v1"),
    ),
    Known(
        "kernel-tcp",
        ("runc",),
        (r"host cgroup memory memory.kmem.tcp.limit_in_bytes",),
        ours="`memory.kernelTCP` is set on cgroup v1",
        theirs="not",
        why="The specification has it; what is configured MUST be applied.",
        marks=("resources_of_v1",),
    ),
    Known(
        "unlimited",
        ("crun",),
        (r"outcome", r"code", r"left"),
        ours="-1 is no limit, for pids and for the quota of cpu time",
        theirs="crun 1.8 on cgroup v1 writes the number, which the kernel refuses, and leaves the cgroups",
        why="The specification, config-linux.md.",
        marks=("unlimited",),
    ),
    Known(
        "default-device-rules",
        ("crun",),
        (r"host cgroup devices devices.list",),
        ours="the default rules are runc's, with `/dev/net/tun`",
        theirs="`/dev/console` (5:1) and no tun",
        why="Engines and VPN images rely on tun.",
    ),
    Known(
        "rule-of-a-replaced-device",
        ("runc",),
        (r"host cgroup devices devices.list",),
        ours="a default device stays usable when `linux.devices` has it with other modes or owners",
        theirs="runc 1.1 forgets its default rule then",
        why="runtime-linux: default devices MUST be available.",
        marks=("devices",),
    ),
    Known(
        "unknown-system-calls",
        ("crun",),
        (r"seen calls (462|999)",),
        ours="system calls newer than the profile fail with ENOSYS, as with runc",
        theirs="with the profile's error",
        why="So that the C library falls back to older calls.",
        marks=("seccomp",),
    ),
)
