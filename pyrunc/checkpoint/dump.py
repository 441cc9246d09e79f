"""checkpoint: the processes of a running container written to files."""

import json
import os

from pyrunc import log
from pyrunc.cgroups.layout import detect
from pyrunc.checkpoint import criu, externals, messages
from pyrunc.checkpoint.options import CONFIG_FILES, CheckpointOptions, config_file
from pyrunc.errors import InvalidTransition, PyruncError, SystemCallError, from_os_error
from pyrunc.liveness import status_of
from pyrunc.namespaces import TYPES, without_own_user
from pyrunc.operations.paths import open_in_root
from pyrunc.operations.plan import plan_filesystem
from pyrunc.spec.load import parse
from pyrunc.state import CONFIG_FILE, StateDirectory
from pyrunc.syscalls import mount_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.container import Container
    from pyrunc.record import Record

# The images, which are the memory of the processes, are for root only; CRIU looks for some from a user namespace.
DIRECTORY_MODE = 0o711
DESCRIPTORS_FILE = "descriptors.json"  # runc's name and format
LOG_FILE = "dump.log"
LOG_LEVEL = 4


def checkpoint(container: "Container", given: "dict[str, Any]") -> None:
    """Performs Container.checkpoint."""
    options = CheckpointOptions(**given)
    with StateDirectory.open(container.root, container.id) as state:
        record = state.load()
        status = status_of(state, record)
        if status not in ("running", "paused"):
            raise InvalidTransition(f"Container cannot be checkpointed in {status} state")
        config = parse(state.read(CONFIG_FILE), CONFIG_FILE)
        try:
            Dump(record, config, options).perform()
        except OSError as error:
            raise from_os_error(error) from error
        if not options.leave_running and not options.pre_dump:
            container.destroy(state, record)


class Dump:
    """One checkpoint of a container that runs.  Nothing is touched before perform()."""

    def __init__(self, record: "Record", config: "dict[str, Any]", options: CheckpointOptions) -> None:
        """Decides what CRIU is told.  Raises PyruncError for what cannot be checkpointed."""
        self.record = record
        self.options = options
        check_namespaces(record.namespaces)
        if options.status_fd >= 0:
            check_status_fd(options.status_fd)
        self.status_fd = options.status_fd
        self.stdio: list[str] = []
        self.operations = plan_filesystem(
            without_own_user(config),
            bundle=record.bundle,
            layout=detect(),
            cgroup_paths=record.cgroups,
            has_own=set(record.namespaces),
        )
        self.fields: "dict[str, Any]" = {
            "pid": record.pid,
            "log_level": LOG_LEVEL,
            "log_file": LOG_FILE,
            "root": record.rootfs,
            "notify_scripts": True,
            "manage_cgroups": True,
            "orphan_pts_master": True,
            **options.fields(),
        }
        freezer = record.cgroups.get("freezer") or record.cgroups.get("unified")
        if freezer:
            self.fields["freeze_cgroup"] = freezer
        file = config_file(record.annotations, [path for path in CONFIG_FILES if os.path.exists(path)])
        if file:
            self.fields["config_file"] = file
        if not options.pre_dump:
            inside = externals.read_mountinfo(record.pid)
            self.stdio = externals.stdio_names(record.pid, {mount.id for mount in inside})
            self.fields["external"] = external_namespaces(record) + externals.outside_of(self.stdio)
            self.fields["ext_mnt"] = [
                {"key": place, "val": name} for place, name in self.external_mounts(inside).items()
            ]

    def perform(self) -> None:
        """Has CRIU do it.  Raises PyruncError; the container goes on then."""
        options = self.options
        needed = {**self.fields, **{f"external_{kind}": path for kind, path in self.record.namespaces.items()}}
        features = {"mem_track": options.pre_dump, "lazy_pages": options.switches["lazy_pages"]}
        program = criu.usable(options.criu, needed, features)
        images = os.path.abspath(options.image_path)
        make_directory(images)
        check_parent(images, options.parent_path)
        work = os.path.abspath(options.work_path) if options.work_path else images
        make_directory(work)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        images_fd, work_fd = os.open(images, flags), os.open(work, flags)
        try:
            if not options.pre_dump:
                write_descriptors(images_fd, self.stdio)
            fields = {**self.fields, "images_dir_fd": images_fd, "work_dir_fd": work_fd}
            kind = messages.PRE_DUMP if options.pre_dump else messages.DUMP
            with criu.Session(program, pass_fds=(images_fd, work_fd)) as session:
                response = session.request({"type": kind, "opts": fields}, self.notified)
            if not response.success:
                raise criu.failure(response, os.path.join(work, LOG_FILE))
        finally:
            os.close(images_fd)
            os.close(work_fd)

    def notified(self, script: str, _pid: int, fds: "list[int]") -> None:
        """Answers a notification of CRIU."""
        for fd in fds:
            os.close(fd)
        log.debug(f"criu: {script}")
        if script == "status-ready" and self.status_fd >= 0:
            try:
                os.write(self.status_fd, b"\0")
            except BrokenPipeError:
                log.warn("nobody reads from the descriptor of --status-fd")
            os.close(self.status_fd)
            self.status_fd = -1

    def external_mounts(self, inside: "list[externals.MountPoint]") -> "dict[str, str]":
        """Those of the container's mounts that are the host's: place -> name for CRIU to note.

        What is found must be what was mounted: at a restore that is mounted there as the mount now is, and a container
        that may mount could have put a writable one of its own in the place of a read-only one.
        """
        by_id = {mount.id: mount.path for mount in inside}
        binds = externals.with_real_sources(externals.binds_of(self.operations))
        masks = externals.masks_of(self.operations)
        places = {}
        sources = {bind.destination: bind.source for bind in binds}
        root = os.open(f"/proc/{self.record.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for path in [bind.destination for bind in binds] + masks:
                try:
                    fd = open_in_root(root, path)
                except SystemCallError as error:
                    log.debug(f"{path}: {error}")  # a mask of what there is not, or hidden by another mount
                    continue
                try:
                    if mount_id(fd) in by_id and externals.is_same(os.stat(fd), sources.get(path, externals.NULL)):
                        places[path] = by_id[mount_id(fd)]
                    else:
                        log.debug(f"{path} is a directory that is hidden, or not what was mounted there")
                finally:
                    os.close(fd)
        finally:
            os.close(root)
        return externals.noted_mounts(binds, masks, places, inside, externals.read_mountinfo("self"))


def check_namespaces(namespaces: "dict[str, str]") -> None:
    """Raises PyruncError for a container whose namespaces CRIU could not restore.

    namespaces: type -> path that was joined ("" for one of the container's own)
    """
    if namespaces.get("mount") != "":
        reason = "a container without a mount namespace of its own cannot be checkpointed"
        raise PyruncError(reason, place="linux.namespaces")
    for kind in ("user", "cgroup"):
        if namespaces.get(kind):
            raise PyruncError(
                f"a container that joined a {kind} namespace cannot be checkpointed", place="linux.namespaces"
            )


def external_namespaces(record: "Record") -> "list[str]":
    """The joined namespaces whose contents are not the container's, in CRIU's syntax.  Raises OSError."""
    found = []
    for kind, (word, name) in externals.NAMED_NAMESPACES.items():
        if record.namespaces.get(kind):
            inode = os.stat(f"/proc/{record.pid}/ns/{TYPES[kind][1]}").st_ino
            found.append(f"{word}[{inode}]:{name}")
    return found


def check_status_fd(fd: int) -> None:
    """Raises PyruncError when there is no such descriptor to write to."""
    try:
        os.fstat(fd)
    except OSError as error:
        raise PyruncError(f"invalid --status-fd argument {fd}: not open", errno=error.errno or 0) from error


def make_directory(path: str) -> None:
    """Makes a directory for images or a log, for root only, unless it is there.  Raises OSError."""
    os.makedirs(path, DIRECTORY_MODE, exist_ok=True)


def check_parent(images: str, parent: str) -> None:
    """Raises PyruncError unless the earlier images are where --parent-path says."""
    if parent and not os.path.isdir(os.path.join(images, parent)):
        raise PyruncError(f"{os.path.join(images, parent)} is not a directory", operation="parent-path")


def write_descriptors(directory: int, names: "list[str]") -> None:
    """Notes what the standard descriptors are, for the restore to exchange pipes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(DESCRIPTORS_FILE, flags, 0o600, dir_fd=directory)
    with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(names, file)
