"""Rules for the process object that a schema cannot say.  Pointers are relative to it.

Each rule yields (JSON pointer, message) for what is wrong.  They may rely on the schema (oci-specs/process.json).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    Section = Mapping[str, Any]  # a dict from load_file(), or a TypedDict of pyrunc.spec.types
    Problems = Iterator[tuple[str, str]]

NO_ID = 0xFFFFFFFF  # (uid_t) -1, which system calls take for "leave it as it is"
WINDOW_SIZE_MAX = 0xFFFF  # struct winsize holds unsigned shorts
DEADLINE_RUNTIME_MIN = 1024  # ns, see sched(7)
REAL_TIME = ("SCHED_FIFO", "SCHED_RR")


def nul_bytes(strings: "Iterable[str]", pointer: str) -> "Problems":
    """No C string can hold a NUL byte: what follows it would silently be cut off."""
    strings = list(strings)
    if "\0" in "".join(strings):
        for index, string in enumerate(strings):
            if "\0" in string:
                yield f"{pointer}/{index}", "contains a NUL byte"


def nul_byte(string: str, pointer: str) -> "Problems":
    """The same for one string."""
    if "\0" in string:
        yield pointer, "contains a NUL byte"


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def process_strings(process: "Section") -> "Problems":
    """config.md#process: args, env, cwd and labels are handed to system calls."""
    yield from nul_bytes(process["args"], "/args")
    yield from nul_bytes(process.get("env", ()), "/env")
    yield from nul_byte(process["cwd"], "/cwd")
    yield from nul_byte(process.get("apparmorProfile", ""), "/apparmorProfile")
    yield from nul_byte(process.get("selinuxLabel", ""), "/selinuxLabel")


def working_directory(process: "Section") -> "Problems":
    """config.md#process: cwd MUST be an absolute path."""
    if not process["cwd"].startswith("/"):
        yield "/cwd", f"must be an absolute path, not {process['cwd']!r}"


def console_size(process: "Section") -> "Problems":
    """config.md#process: consoleSize counts only with a terminal, and must fit struct winsize (ioctl_tty(2))."""
    if process.get("terminal"):
        for key, value in process.get("consoleSize", {}).items():
            if key in ("height", "width") and value > WINDOW_SIZE_MAX:
                yield f"/consoleSize/{key}", f"must be at most {WINDOW_SIZE_MAX}, not {value}"


def user_ids(process: "Section") -> "Problems":
    """config.md#posix-platform-user: 4294967295 is (uid_t) -1, which setuid(2) and chown(2) do not take as an id."""
    user = process.get("user", {})
    for key in ("uid", "gid"):
        if user.get(key) == NO_ID:
            yield f"/user/{key}", f"must be below {NO_ID}"
    for index, gid in enumerate(user.get("additionalGids", ())):
        if gid == NO_ID:
            yield f"/user/additionalGids/{index}", f"must be below {NO_ID}"


def rlimits(process: "Section") -> "Problems":
    """config.md#posix-process: duplicate types MUST be an error; setrlimit(2) refuses a soft above the hard limit."""
    seen = set()
    for index, limit in enumerate(process.get("rlimits", ())):
        kind = limit["type"]
        if kind in seen:
            yield f"/rlimits/{index}/type", f"{kind} is set twice"
        seen.add(kind)
        if limit["soft"] > limit["hard"]:
            soft, hard = limit["soft"], limit["hard"]
            yield f"/rlimits/{index}", f"{kind}: soft limit {soft} is above hard limit {hard}: invalid argument"


def labels(process: "Section") -> "Problems":
    """config.md#linux-process: a label is one line; an SELinux context has at least user:role:type."""
    for key in ("apparmorProfile", "selinuxLabel"):
        if "\n" in process.get(key, ""):
            yield f"/{key}", "must be a single line"
    label = process.get("selinuxLabel", "")
    if label and label.count(":") < 2:
        yield "/selinuxLabel", f"must be a context like user:role:type:level, not {label!r}"


def scheduler(process: "Section") -> "Problems":
    """config.md#linux-process: fields that belong to another policy are errors, as they are for sched_setattr(2)."""
    settings = process.get("scheduler")
    if not settings:
        return
    policy = settings["policy"]
    priority = settings.get("priority", 0)
    if policy == "SCHED_ISO":
        yield "/scheduler/policy", "Linux does not implement SCHED_ISO"
    if not -20 <= settings.get("nice", 0) <= 19:
        yield "/scheduler/nice", f"must be from -20 to 19, not {settings['nice']}"
    if policy in REAL_TIME and not 1 <= priority <= 99:
        yield "/scheduler/priority", f"must be from 1 to 99 for {policy}, not {priority}"
    if policy not in REAL_TIME and priority:
        yield "/scheduler/priority", f"is only for SCHED_FIFO and SCHED_RR, not for {policy}"
    if policy != "SCHED_DEADLINE":
        for key in ("runtime", "deadline", "period"):
            if settings.get(key):
                yield f"/scheduler/{key}", f"is only for SCHED_DEADLINE, not for {policy}"
        return
    runtime, deadline = settings.get("runtime", 0), settings.get("deadline", 0)
    period = settings.get("period", 0) or deadline
    if not DEADLINE_RUNTIME_MIN <= runtime <= deadline <= period:
        yield "/scheduler", f"SCHED_DEADLINE needs {DEADLINE_RUNTIME_MIN} <= runtime <= deadline <= period"


def cpu_affinity(process: "Section") -> "Problems":
    """config.md#linux-process: execCPUAffinity holds CPU lists such as 0-3,7."""
    for key, value in process.get("execCPUAffinity", {}).items():
        if key in ("initial", "final") and value and not is_number_list(value):
            yield f"/execCPUAffinity/{key}", f"must be a list like 0-3,7, not {value!r}"


def is_number_list(text: str) -> bool:
    """Whether text is a list of numbers and ranges, as cpuset(7) calls the list format."""
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not is_number(first) or (dash and (not is_number(last) or int(first) > int(last))):
            return False
    return True


def is_number(text: str) -> bool:
    """Whether text is a small decimal number (isdigit alone takes the digits of every script)."""
    return 0 < len(text) < 10 and text.isascii() and text.isdigit()


def capability_warnings(process: "Section") -> "Problems":
    """config.md#linux-process: a capability that cannot be mapped MUST be a warning, and SHOULD NOT be an error."""
    from pyrunc.security.capabilities import NAMES

    for kind, names in process.get("capabilities", {}).items():
        if kind not in ("bounding", "effective", "inheritable", "permitted", "ambient"):
            continue
        for index, name in enumerate(names):
            if name not in NAMES:
                yield f"/capabilities/{kind}/{index}", f"unknown capability {name!r} is left out"


def environment_warnings(process: "Section") -> "Problems":
    """config.md#process: env has environ's semantics, NAME=VALUE; execve(2) takes anything, programs do not."""
    for index, entry in enumerate(process.get("env", ())):
        if "=" not in entry[1:]:
            yield f"/env/{index}", f"{entry!r} is not of the form NAME=VALUE"


RULES = (
    process_strings,
    working_directory,
    console_size,
    user_ids,
    rlimits,
    labels,
    scheduler,
    cpu_affinity,
)
WARNINGS = (capability_warnings, environment_warnings)
