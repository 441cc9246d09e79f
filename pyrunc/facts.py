"""What a plan needs to know of the host, read once and passed as one value, so that planning touches nothing."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.cgroups.layout import Layout


class HostFacts:
    """cgroup: the host's cgroup hierarchies; privileged: the runtime has CAP_SYS_ADMIN and euid 0 in the host's
    user namespace; last_cap: the highest capability number that the kernel knows."""

    __slots__ = ("cgroup", "last_cap", "privileged")

    def __init__(self, cgroup: "Layout", privileged: bool, last_cap: int) -> None:
        self.cgroup = cgroup
        self.privileged = privileged
        self.last_cap = last_cap
