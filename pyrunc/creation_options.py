"""The options of create and run."""


class Options:
    """What the caller of create and run may choose.

    pid_file:       where to write the process's pid
    console_socket: AF_UNIX socket that gets the terminal's master end
    no_pivot:       move the root over "/" where pivot_root is impossible (an initramfs)
    no_new_keyring: stay in the caller's session keyring
    preserve_fds:   how many descriptors from 3 on the process gets
    rootless:       "true", "false" or "auto": whether to do without cgroups that the caller has no right to make
    systemd_cgroup: have systemd make the cgroups, as a scope
    no_cgroups:     let the container's processes stay in the caller's cgroups
    config:         a file to take instead of the bundle's config.json
    pidfd_socket:   AF_UNIX socket that gets a pidfd of the process
    listen_fds:     how many descriptors come before those as the process's LISTEN_FDS (sd_listen_fds(3))
    notify_socket:  a service manager's socket; the process gets one of its own for sd_notify(3); see `start`
    """

    __slots__ = (
        "config",
        "console_socket",
        "listen_fds",
        "no_cgroups",
        "no_new_keyring",
        "no_pivot",
        "notify_socket",
        "pid_file",
        "pidfd_socket",
        "preserve_fds",
        "rootless",
        "systemd_cgroup",
    )

    def __init__(
        self,
        pid_file: "str | None" = None,
        console_socket: "str | None" = None,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
        preserve_fds: int = 0,
        rootless: str = "auto",
        systemd_cgroup: bool = False,
        no_cgroups: bool = False,
        config: "str | None" = None,
        pidfd_socket: "str | None" = None,
        listen_fds: int = 0,
        notify_socket: "str | None" = None,
    ) -> None:
        self.pid_file = pid_file
        self.console_socket = console_socket
        self.no_pivot = no_pivot
        self.no_new_keyring = no_new_keyring
        self.preserve_fds = preserve_fds
        self.rootless = rootless
        self.systemd_cgroup = systemd_cgroup
        self.no_cgroups = no_cgroups
        self.config = config
        self.pidfd_socket = pidfd_socket
        self.listen_fds = listen_fds
        self.notify_socket = notify_socket
