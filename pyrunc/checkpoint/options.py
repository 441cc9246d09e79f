"""What may be chosen for a checkpoint and a restore, and what CRIU is told of it."""

from pyrunc.errors import PyruncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

DEFAULT_IMAGES = "checkpoint"
CLONE_NEWNET = 0x40000000
EMPTY_NAMESPACES = {"network": CLONE_NEWNET}
# criu_cg_mode; the words are those of criu's own --manage-cgroups
CGROUP_MODES = {"ignore": 0, "none": 1, "props": 2, "soft": 3, "full": 4, "strict": 5}
NETWORK_LOCKS = {"iptables": 1, "nftables": 2, "skip": 3}

CONFIG_ANNOTATION = "org.criu.config"
CONFIG_FILES = ("/etc/criu/pyrunc.conf", "/etc/criu/runc.conf")

# Numbered as CRIU does it: 10000 * major + 100 * minor + sublevel.
OLDEST = 30000
SINCE = {
    "config_file": 31100,
    "external_network": 31100,
    "external_pid": 31500,
    "lsm_profile": 31600,
    "lsm_mount_context": 31600,
    "network_lock": 31600,
    "join_ns": 31700,
}


class Options:
    """What checkpoint and restore have in common.

    image_path:    directory of CRIU's images
    work_path:     directory of its log and other files of its work (None: where the images are)
    criu:          the program, looked for in PATH when it is only a name
    manage_cgroups_mode: "ignore", "none", "props", "soft", "full" or "strict"; "" leaves it to CRIU (soft)
    empty_ns:      types of namespaces whose contents are not kept: "network"
    network_lock:  how CRIU holds back packets: "iptables", "nftables" or "skip"; "" leaves it to CRIU
    The others are switches of criu(8).
    """

    def __init__(
        self,
        image_path: str = DEFAULT_IMAGES,
        work_path: "str | None" = None,
        *,
        criu: str = "criu",
        tcp_established: bool = False,
        ext_unix_sk: bool = False,
        shell_job: bool = False,
        file_locks: bool = False,
        lazy_pages: bool = False,
        auto_dedup: bool = False,
        manage_cgroups_mode: str = "",
        empty_ns: "Iterable[str]" = (),
        network_lock: str = "",
    ) -> None:
        self.image_path = image_path
        self.work_path = work_path
        self.criu = criu
        self.switches = {
            "tcp_established": tcp_established,
            "ext_unix_sk": ext_unix_sk,
            "shell_job": shell_job,
            "file_locks": file_locks,
            "lazy_pages": lazy_pages,
            "auto_dedup": auto_dedup,
        }
        self.cgroup_mode = one_of("manage-cgroups-mode", manage_cgroups_mode, CGROUP_MODES)
        self.network_lock = one_of("network-lock", network_lock, NETWORK_LOCKS)
        self.empty_ns = 0
        for name in empty_ns:
            if name not in EMPTY_NAMESPACES:
                raise PyruncError(
                    f'namespace "{name}" is not supported', operation="empty-ns", hint="it can be: network"
                )
            self.empty_ns |= EMPTY_NAMESPACES[name]

    def fields(self) -> "dict[str, Any]":
        """The fields of CRIU's options that come from these."""
        fields: "dict[str, Any]" = {name: True for name, on in self.switches.items() if on}
        if self.cgroup_mode is not None:
            fields["manage_cgroups_mode"] = self.cgroup_mode
        if self.network_lock is not None:
            fields["network_lock"] = self.network_lock
        if self.empty_ns:
            fields["empty_ns"] = self.empty_ns
        return fields


class CheckpointOptions(Options):
    """The options of a checkpoint.

    parent_path:   directory of an earlier pre-dump, relative to image_path
    leave_running: let the container go on
    pre_dump:      only the memory, for a later checkpoint to build upon; the container goes on
    page_server:   "ADDRESS:PORT" of the page server that gets the memory, or where to be one (lazy_pages)
    status_fd:     descriptor that gets a NUL byte, and is closed, when the page server waits for its client
    """

    def __init__(
        self,
        image_path: str = DEFAULT_IMAGES,
        work_path: "str | None" = None,
        *,
        parent_path: str = "",
        leave_running: bool = False,
        tcp_skip_in_flight: bool = False,
        link_remap: bool = False,
        pre_dump: bool = False,
        page_server: str = "",
        status_fd: int = -1,
        **common: "Any",
    ) -> None:
        super().__init__(image_path, work_path, **common)
        if parent_path.startswith("/"):
            raise PyruncError("--parent-path must be relative to --image-path", operation="parent-path")
        self.parent_path = parent_path
        self.leave_running = leave_running
        self.pre_dump = pre_dump
        self.page_server = address_of(page_server) if page_server else None
        self.status_fd = status_fd
        self.switches |= {
            "leave_running": leave_running,
            "tcp_skip_in_flight": tcp_skip_in_flight,
            "link_remap": link_remap,
            "track_mem": pre_dump or bool(parent_path),
        }

    def fields(self) -> "dict[str, Any]":
        """The fields of CRIU's options that come from these."""
        fields = super().fields()
        if self.parent_path:
            fields["parent_img"] = self.parent_path
        if self.page_server:
            fields["ps"] = {"address": self.page_server[0], "port": self.page_server[1]}
        return fields


class RestoreOptions(Options):
    """The options of a restore.

    tcp_close:         restore TCP connections as closed ones
    lsm_profile:       "apparmor:NAME" or "selinux:LABEL", in place of the one that was checkpointed
    lsm_mount_context: the SELinux context for mounts, in place of the one that was checkpointed
    """

    def __init__(
        self,
        image_path: str = DEFAULT_IMAGES,
        work_path: "str | None" = None,
        *,
        tcp_close: bool = False,
        lsm_profile: str = "",
        lsm_mount_context: str = "",
        **common: "Any",
    ) -> None:
        super().__init__(image_path, work_path, **common)
        self.switches["tcp_close"] = tcp_close
        self.lsm = {"lsm_profile": lsm_profile, "lsm_mount_context": lsm_mount_context}

    def fields(self) -> "dict[str, Any]":
        """The fields of CRIU's options that come from these."""
        return super().fields() | {name: value for name, value in self.lsm.items() if value}


def one_of(option: str, word: str, known: "Mapping[str, int]") -> "int | None":
    """The number of the word, None for "".  Raises PyruncError for a word that is not known."""
    if not word:
        return None
    if word not in known:
        raise PyruncError(f'"{word}" is none of {", ".join(known)}', operation=option)
    return known[word]


def address_of(text: str) -> "tuple[str, int]":
    """ "ADDRESS:PORT".  Raises PyruncError."""
    address, colon, port = text.rpartition(":")
    if not colon or not address:
        raise PyruncError("Use --page-server ADDRESS:PORT to specify page server", operation="page-server")
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or not 0 < int(port) < 65536:
        raise PyruncError(f'Invalid port number "{port}"', operation="page-server")
    return address.strip("[]"), int(port)


def config_file(annotations: "Mapping[str, str]", present: "Iterable[str]") -> str:
    """The configuration file that CRIU reads besides its own, "" for none; its settings go before all others.

    present: those of CONFIG_FILES that there are
    """
    named = annotations.get(CONFIG_ANNOTATION)
    if named is not None:
        return named
    return next(iter(present), "")


def check_version(version: int, fields: "Mapping[str, Any]") -> None:
    """Raises PyruncError when this CRIU is too old, as such or for one of the fields."""
    if version < OLDEST:
        raise PyruncError(f"CRIU version {text_of(version)} must be {text_of(OLDEST)} or higher")
    for name, since in SINCE.items():
        if fields.get(name) and version < since:
            raise PyruncError(f"{name} requires at least CRIU {text_of(since)}, this is {text_of(version)}")


def text_of(version: int) -> str:
    """A version's number as people write it."""
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}"
