"""What a plan needs to know of the host, read once and passed as one value, so that planning touches nothing."""

import posix
from errno import ENOSYS

from pyrunc import syscalls
from pyrunc.cgroups.layout import detect
from pyrunc.errors import from_os_error
from pyrunc.state_root import in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.cgroups.layout import Layout
    from pyrunc.cgroups.systemd import SystemdFacts


class HostFacts:
    """cgroup:     the host's cgroup hierarchies
    privileged: the runtime is root where it runs, so that it writes id maps itself
    rootless_cgroups: it does without cgroups that it has no right to make: an ordinary user, or root in a user
                namespace, as the runtime of rootless podman is
    no_cgroups: the container's processes are to stay in the caller's cgroups
    systemd:    the manager that makes the cgroups: the system's, or with rootless_cgroups the user's; None: pyrunc does
    last_cap:   the highest capability number that the kernel knows
    permitted:  the runtime's own permitted capabilities, a bit mask
    bounding:   its bounding set
    gid:        its effective group
    calls_in_doubt: some system call may be refused: `kernel_calls` says whether one is
    """

    __slots__ = (
        "bounding",
        "calls_in_doubt",
        "cgroup",
        "gid",
        "last_cap",
        "no_cgroups",
        "permitted",
        "privileged",
        "rootless_cgroups",
        "systemd",
    )

    def __init__(
        self,
        cgroup: "Layout",
        privileged: bool,
        last_cap: int,
        permitted: int,
        bounding: int,
        *,
        rootless_cgroups: bool = False,
        gid: int = 0,
    ) -> None:
        self.cgroup = cgroup
        self.privileged = privileged
        self.rootless_cgroups = rootless_cgroups
        self.last_cap = last_cap
        self.permitted = permitted
        self.bounding = bounding
        self.gid = gid
        self.no_cgroups = False
        self.calls_in_doubt = False
        self.systemd: SystemdFacts | None = None


def read_facts(rootless: str = "auto", systemd_cgroup: bool = False, no_cgroups: bool = False) -> HostFacts:
    """Asks the host.  rootless "true" or "false" is the caller's word on whether to do without cgroups.

    systemd_cgroup: the cgroups are systemd's to make, which is asked, too;  no_cgroups: there are to be none.
    Raises PyruncError when procfs is not mounted, or when there is no systemd to ask.
    """
    privileged = posix.geteuid() == 0
    gid = 0 if privileged else posix.getegid()
    try:
        status = read("/proc/self/status")
        permitted, bounding = hex_field(status, b"\nCapPrm:"), hex_field(status, b"\nCapBnd:")
        last_cap = last_capability()
        without = not privileged or in_user_namespace() if rootless == "auto" else rootless == "true"
        layout = detect()
    except OSError as error:
        raise from_os_error(error, operation="look at the host") from error
    facts = HostFacts(layout, privileged, last_cap, permitted, bounding, rootless_cgroups=without, gid=gid)
    facts.no_cgroups = no_cgroups
    # A seccomp filter is on us, or the kernel is older than the newest of them.
    facts.calls_in_doubt = b"\nSeccomp:\t2" in status or syscalls.probe("mount_setattr") == ENOSYS
    if systemd_cgroup:
        from pyrunc.cgroups.systemd import SYSTEM, USER
        from pyrunc.cgroups.systemd_bus import read_systemd

        facts.systemd = read_systemd(USER if without else SYSTEM)
    return facts


def hex_field(status: bytes, name: bytes) -> int:
    """A field of /proc/self/status, as the permitted and bounding sets are there."""
    start = status.index(name) + len(name)
    return int(status[start : status.index(b"\n", start)], 16)


def last_capability() -> int:
    """/proc/sys/kernel/cap_last_cap."""
    return int(read("/proc/sys/kernel/cap_last_cap"))


def read(path: str) -> bytes:
    """A small file of procfs."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 16384)
    finally:
        posix.close(fd)
