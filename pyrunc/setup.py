"""MESSAGE_SETUP: everything that pyrunc-init applies to itself before it becomes the user's program."""

from sys import byteorder

from pyrunc import helper
from pyrunc.helper import pair, record, text, u32, u64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.process import ProcessSettings
    from pyrunc.security.capabilities import CapabilitySets
    from pyrunc.security.seccomp import Filter

U32 = (1 << 32) - 1

# As many as any kernel is built for (NR_CPUS); those that there are not, or that the cpuset lacks, do not count.
EVERY_CPU = b"\xff" * (8192 // 8)


class Setup:
    """The records of one message, and the descriptors that travel with it (owned by the caller)."""

    __slots__ = ("fds", "kinds", "records")

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.fds: list[int] = []
        self.kinds: list[int] = []

    def add_fd(self, kind: int, fd: int) -> None:
        """A descriptor and what it is for (helper.FD_*)."""
        self.kinds.append(kind)
        self.fds.append(fd)

    def add_process(self, process: "ProcessSettings") -> None:
        """What config.json says under `process`, but for capabilities and labels."""
        add = self.records.append
        add(record(helper.TAG_IDS, u32(process.uid, process.gid)))
        add(record(helper.TAG_CWD, text(process.cwd)))
        for value in process.args:
            add(record(helper.TAG_ARG, text(value)))
        for value in process.env:
            add(record(helper.TAG_ENV, text(value)))
        for resource, soft, hard in process.rlimits:
            add(record(helper.TAG_RLIMIT, u32(resource, 0) + u64(soft, hard)))
        if process.umask is not None:
            add(record(helper.TAG_UMASK, u32(process.umask)))
        if process.personality is not None:
            add(record(helper.TAG_PERSONALITY, u32(process.personality)))
        if process.io_priority is not None:
            add(record(helper.TAG_IO_PRIORITY, u32(process.io_priority)))
        if process.memory_policy is not None:
            mode, nodes = process.memory_policy
            add(record(helper.TAG_MEMORY_POLICY, u32(mode, 0) + bit_mask(nodes)))
        if process.scheduler is not None:
            policy, flags, nice, priority, runtime, deadline, period = process.scheduler
            numbers = u32(policy, nice & U32, priority, 0) + u64(flags, runtime, deadline, period)
            add(record(helper.TAG_SCHEDULER, numbers))
        if process.no_new_privs:
            add(record(helper.TAG_NO_NEW_PRIVS))
        add(record(helper.TAG_CHOWN_STDIO))

    def add_groups(self, groups: "list[int]") -> None:
        """The supplementary groups, all of them: without this record those of the caller remain."""
        self.records.append(record(helper.TAG_GROUPS, u32(*groups)))

    def add_capabilities(self, sets: "CapabilitySets") -> None:
        """The five capability sets."""
        masks = u64(sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient)
        self.records.append(record(helper.TAG_CAPABILITIES, masks))

    def add_seccomp(self, seccomp: "Filter") -> None:
        """A compiled filter, loaded right before exec."""
        self.records.append(record(helper.TAG_SECCOMP, u32(seccomp.flags) + seccomp.program))

    def add_label(self, file: str, label: str) -> None:
        """An LSM label for exec: the file below /proc/self/attr that takes it."""
        self.records.append(record(helper.TAG_LSM_EXEC, pair(file, label)))

    def add_keyring(self, name: str, label: str) -> None:
        """A session keyring of the container's own; label: SELinux's, "" for none."""
        self.records.append(record(helper.TAG_KEYRING, text(name)))
        if label:
            self.records.append(record(helper.TAG_KEY_LABEL, text(label)))

    def add_terminal(self, size: "tuple[int, int] | None", bind: bool) -> None:
        """A terminal of (height, width), made in the container; bind: also as /dev/console."""
        rows, columns = size or (0, 0)
        payload = rows.to_bytes(2, byteorder) + columns.to_bytes(2, byteorder)
        self.records.append(record(helper.TAG_CONSOLE, payload + u32(bind)))

    def add_affinity(self, cpus: "list[int]") -> None:
        """The CPUs to run on, as a mask of 64-bit words."""
        self.records.append(record(helper.TAG_AFFINITY, bit_mask(cpus)))

    def add_every_cpu(self) -> None:
        """All CPUs of the container's cgroup, though the caller may run on fewer."""
        self.records.append(record(helper.TAG_AFFINITY, EVERY_CPU))

    def add_hooks(self, hooks: "list[dict[str, object]]", state: str, env: "list[str]") -> None:
        """startContainer hooks; env is for those that have none of their own."""
        add = self.records.append
        for hook in hooks:
            timeout = hook.get("timeout")
            add(record(helper.TAG_HOOK, u32(min(timeout, U32) if isinstance(timeout, int) else 0)))
            add(record(helper.TAG_HOOK_PATH, text(str(hook["path"]))))
            add_all(self.records, helper.TAG_HOOK_ARG, hook.get("args"))
            add_all(self.records, helper.TAG_HOOK_ENV, env if hook.get("env") is None else hook.get("env"))
        add(record(helper.TAG_HOOK_STATE, text(state)))

    def add_string(self, tag: int, value: str) -> None:
        """A record that is one string."""
        self.records.append(record(tag, text(value)))

    def add_number(self, tag: int, value: int) -> None:
        """A record that is one 32-bit number."""
        self.records.append(record(tag, u32(value)))

    def add_sysctl(self, name: str, value: str) -> None:
        """A sysctl by its path below /proc/sys."""
        self.records.append(record(helper.TAG_SYSCTL, pair(name, value)))

    def send(self, channel: helper.Channel) -> None:
        """Sends the message; the helper answers CONSOLE (with a terminal) and READY."""
        if self.fds:
            self.records.append(record(helper.TAG_FDS, u32(*self.kinds)))
        channel.send(helper.SETUP, self.records, self.fds)


def bit_mask(numbers: "list[int]") -> bytes:
    """A bit for each number, in 64-bit words of the host's order."""
    words = [0] * (max(numbers) // 64 + 1 if numbers else 0)
    for number in numbers:
        words[number // 64] |= 1 << number % 64
    return u64(*words)


def add_all(records: "list[bytes]", tag: int, values: object) -> None:
    """A record of the same tag for each string."""
    if isinstance(values, list):
        records.extend([record(tag, text(value)) for value in values])
