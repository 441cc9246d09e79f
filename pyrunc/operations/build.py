"""The state that the operations of the file system stage share while they are performed."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Build:
    """What the builder knows while it works.

    rootfs:       host path of the root file system (trusted)
    bundle:       host path of the bundle (trusted; relative mount sources start here)
    root:         O_PATH descriptor of the container's root mount, -1 until BindRoot was performed
    in_userns:    whether the container has a user namespace other than the runtime's
    userns_fd:    descriptor of the container's user namespace, -1 when it has none of its own
    make_proc:    mounts a procfs of the container's pid namespace with the given file system options
                  (key, value or None) and gives back its detached mount; the helper does it, since the
                  builder is not in that namespace
    make_userns:  a descriptor of a new user namespace with the given uid and gid mappings
                  (lists of (container id, host id, size))
    masked_dir:   the attached mount of the shared empty read-only directory, -1 until the first is needed
    """

    __slots__ = ("bundle", "in_userns", "make_proc", "make_userns", "masked_dir", "root", "rootfs", "userns_fd")

    def __init__(
        self,
        rootfs: str,
        bundle: str,
        *,
        in_userns: bool = False,
        userns_fd: int = -1,
        make_proc: "Callable[[list[tuple[str, str | None]]], int]",
        make_userns: "Callable[[list[tuple[int, int, int]], list[tuple[int, int, int]]], int]",
    ) -> None:
        self.rootfs = rootfs
        self.bundle = bundle
        self.root = -1
        self.in_userns = in_userns
        self.userns_fd = userns_fd
        self.make_proc = make_proc
        self.make_userns = make_userns
        self.masked_dir = -1
