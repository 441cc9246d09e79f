"""Configurations with one thing wrong, or doubtful: whether it is refused, and with what status of an engine's run."""

from typing import Any

from tests.differential.case import Case
from tests.differential.generator import base

MISSING = object()


def wrong(name: str, says: str, *changes: tuple[str, Any]) -> Case:
    """A case of the default configuration with changes: dotted places and their values ("+" adds to a list).

    says: what pyrunc's message must have; "" where it is no error
    """
    case = base(f"wrong-{name}")
    case.says = says
    case.marks = {"wrong", name}
    for place, value in changes:
        *way, last = place.split(".")
        holder: Any = case.config
        for key in way:
            holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, {})
        if last == "+":
            holder.append(value)
        elif value is MISSING:
            del holder[last]
        else:
            holder[last] = value
    return case


def mount(**fields: Any) -> tuple[str, Any]:
    """One more mount."""
    return ("mounts.+", {"destination": "/new/dir", "type": "tmpfs", "source": "tmpfs", **fields})


def rlimit(**fields: Any) -> tuple[str, Any]:
    """Another limit in the place of the default one."""
    return ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100, **fields}])


def device(**fields: Any) -> tuple[str, Any]:
    """A device."""
    return ("linux.devices", [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, **fields}])


def seccomp(**fields: Any) -> tuple[str, Any]:
    """A profile that allows all, changed."""
    return ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", **fields})


def rule(**fields: Any) -> tuple[str, Any]:
    """A profile with one rule."""
    return seccomp(syscalls=[{"names": ["syncfs"], "action": "SCMP_ACT_ERRNO", **fields}])


def hook(kind: str, **fields: Any) -> tuple[str, Any]:
    """A hook that does nothing."""
    return ("hooks", {kind: [{"path": "/bin/true", **fields}]})


SPACES = "linux.namespaces"

PROCESS = [
    wrong("no-args", "args", ("process.args", [])),
    wrong("args-absent", "", ("process.args", MISSING)),
    wrong("args-null", "args", ("process.args", None)),
    wrong("args-number", "args", ("process.args", ["/bin/probe", 1])),
    wrong("args-empty-word", "", ("process.args", [""])),
    wrong("program-missing", "no such file or directory", ("process.args", ["/no/such"])),
    wrong("program-not-in-path", "executable file not found", ("process.args", ["no-such"])),
    wrong("program-relative-missing", "no such file or directory", ("process.args", ["bin/no-such"])),
    wrong("program-not-executable", "permission denied", ("process.args", ["/bin/not-executable"])),
    wrong("program-is-a-directory", "", ("process.args", ["/bin"])),
    wrong("program-no-path", "", ("process.args", ["probe"]), ("process.env", ["A=b"])),
    wrong("cwd-relative", "cwd", ("process.cwd", "tmp")),
    wrong("cwd-empty", "cwd", ("process.cwd", "")),
    wrong("cwd-absent", "cwd", ("process.cwd", MISSING)),
    wrong("cwd-is-a-file", "not a directory", ("process.cwd", "/etc/passwd")),
    wrong("env-without-value", "", ("process.env", ["PATH=/bin", "NOVALUE"])),
    wrong("env-without-name", "", ("process.env", ["PATH=/bin", "=x"])),
    wrong("env-number", "env", ("process.env", [1])),
    wrong("env-null", "", ("process.env", None)),
    wrong("uid-text", "uid", ("process.user.uid", "root")),
    wrong("uid-negative", "uid", ("process.user.uid", -1)),
    wrong("uid-too-large", "uid", ("process.user.uid", 2**32)),
    wrong("uid-minus-one", "", ("process.user.uid", 2**32 - 1)),
    wrong("groups-text", "additionalGids", ("process.user.additionalGids", ["audio"])),
    wrong("umask-too-large", "umask", ("process.user.umask", 0o1022)),
    wrong("umask-negative", "umask", ("process.user.umask", -1)),
    wrong("rlimit-unknown", "RLIMIT_UNKNOWN", rlimit(type="RLIMIT_UNKNOWN")),
    wrong("rlimit-soft-above-hard", "soft limit", rlimit(soft=200)),
    wrong("rlimit-negative", "", rlimit(soft=-1)),
    wrong("rlimit-above-hosts", "", rlimit(hard=2**40, soft=2**40)),
    wrong("rlimit-twice", "RLIMIT_NOFILE", ("process.rlimits.+", {"type": "RLIMIT_NOFILE", "soft": 900, "hard": 900})),
    wrong("rlimit-lower-case", "", rlimit(type="nofile")),
    wrong("capability-unknown", "", ("process.capabilities.bounding.+", "CAP_UNKNOWN")),
    wrong("capability-lower-case", "", ("process.capabilities.bounding.+", "cap_chown")),
    wrong("capability-without-prefix", "", ("process.capabilities.bounding.+", "CHOWN")),
    wrong("capability-hosts-lacks", "", ("process.capabilities.bounding.+", "CAP_SYS_RESOURCE")),
    wrong("oom-too-large", "oomScoreAdj", ("process.oomScoreAdj", 1001)),
    wrong("oom-too-small", "oomScoreAdj", ("process.oomScoreAdj", -1001)),
    wrong("oom-text", "oomScoreAdj", ("process.oomScoreAdj", "0")),
    wrong("apparmor-absent-on-host", "apparmor", ("process.apparmorProfile", "no-such-profile")),
    wrong("selinux-absent-on-host", "selinux", ("process.selinuxLabel", "system_u:system_r:x_t:s0")),
    wrong("scheduler-unknown", "scheduler", ("process.scheduler", {"policy": "SCHED_NEVER"})),
    wrong("io-priority-unknown", "ioPriority", ("process.ioPriority", {"class": "IOPRIO_CLASS_X", "priority": 1})),
    wrong("terminal-without-socket", "console", ("process.terminal", True)),
    wrong("no-process", "", ("process", MISSING)),
]

TOP = [
    wrong("version-absent", "ociVersion", ("ociVersion", MISSING)),
    wrong("version-2", "ociVersion", ("ociVersion", "2.0.0")),
    wrong("version-0", "", ("ociVersion", "0.9.0")),
    wrong("version-newer", "", ("ociVersion", "1.99.0")),
    wrong("version-no-semver", "ociVersion", ("ociVersion", "one")),
    wrong("root-absent", "root", ("root", MISSING)),
    wrong("root-missing", "no such file or directory", ("root.path", "no-such")),
    wrong("root-is-a-file", "", ("root.path", "file")),
    wrong("root-is-the-hosts", "", ("root.path", "/")),
    wrong("root-empty", "", ("root.path", "")),
    wrong("unknown-member", "", ("nonsense", {"a": 1})),
    wrong("unknown-member-of-linux", "", ("linux.nonsense", 1)),
    wrong("no-linux", "", ("linux", MISSING)),
    wrong("linux-null", "", ("linux", None)),
    wrong("hostname-without-uts", "hostname", (SPACES, [{"type": "mount"}, {"type": "pid"}])),
    wrong("hostname-too-long", "", ("hostname", "x" * 65)),
    wrong("hostname-number", "hostname", ("hostname", 1)),
    wrong("annotation-number", "annotations", ("annotations", {"a": 1})),
    wrong("annotation-empty-key", "", ("annotations", {"": "a"})),
    wrong("hook-relative", "path", hook("createRuntime", path="true")),
    wrong("hook-missing", "no such file or directory", hook("prestart", path="/no/such")),
    wrong("hook-fails", "exit status 1", hook("createRuntime", path="/bin/false")),
    wrong("hook-in-container-fails", "exit status 1", hook("createContainer", path="/bin/false")),
    wrong("hook-start-missing", "startContainer hook #0", hook("startContainer", path="/no/such")),
    wrong("hook-poststart-fails", "exit status 1", hook("poststart", path="/bin/false")),
    wrong("hook-poststop-fails", "", hook("poststop", path="/bin/false")),
    wrong("hook-timeout-zero", "timeout", hook("createRuntime", timeout=0)),
    wrong("hook-timeout-negative", "timeout", hook("createRuntime", timeout=-1)),
    wrong("hook-env-number", "env", hook("createRuntime", env=[1])),
]
