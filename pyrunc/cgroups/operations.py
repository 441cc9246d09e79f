"""The operations of the cgroup stage: making a container's cgroups and writing their limits.

They run in the runtime's own namespaces and need nothing of the build: None may be passed for it.
"""

import posix
from errno import EACCES, EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, EROFS

from pyrunc.cgroups.files import open_cgroup, pids_in, read_file, walk, write_file
from pyrunc.errors import PyruncError, from_os_error, reason_of
from pyrunc.operations.base import Operation
from pyrunc.syscalls import Uninterrupted

DENIED = (EACCES, EPERM, EROFS)  # what a user without rights to cgroups gets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.operations.build import Build


class MakeCgroup(Operation):
    """Makes the container's directory in one hierarchy, with the parents that are missing.

    An existing one is taken when nothing lives in it and it is not frozen; with `ours` (systemd's driver) always, for
    by its name it is the container's.  After perform() `made` says whether it is ours to remove when a later step
    fails.  A hierarchy that a `rootless` user may not write in is dropped from `paths`, the plan's own dict, when
    nothing in config.json asks for it (place is empty).
    """

    __slots__ = ("directory", "made", "mount", "ours", "paths", "rootless")

    def __init__(
        self,
        mount: str,
        directory: str,
        paths: "dict[str, str]",
        *,
        rootless: bool = False,
        place: str = "",
        ours: bool = False,
    ) -> None:
        super().__init__(place)
        self.mount = mount
        self.directory = directory
        self.paths = paths
        self.rootless = rootless
        self.ours = ours
        self.made = False

    def describe(self) -> str:
        return f"make cgroup {self.directory}"

    def perform(self, build: "Build | None") -> None:
        try:
            self.make(self.directory)
            posix.close(open_cgroup(self.directory))
        except OSError as error:
            if not self.rootless or error.errno not in DENIED:
                raise
            if self.place:
                from pyrunc.rootless import CGROUP_HINT

                raise PyruncError(
                    "rootless needs no limits + no cgrouppath when no permission is granted for cgroups: "
                    f"{self.directory}: {reason_of(error.errno or 0)}",
                    hint=CGROUP_HINT,
                    errno=error.errno or 0,
                ) from error
            for name in [name for name, path in self.paths.items() if path == self.directory]:
                del self.paths[name]
            return
        if not self.made and not self.ours:
            refuse_unfit(self.directory)

    def make(self, directory: str) -> None:
        """mkdir -p below the mount point.  `made` says it as soon as the last part is there, whatever fails after."""
        try:
            self.make_one(directory)
        except OSError as error:
            if error.errno == EEXIST:
                return
            if error.errno != ENOENT or len(directory) <= len(self.mount):
                raise
            self.make(directory.rpartition("/")[0])
            try:
                self.make_one(directory)
            except FileExistsError:
                return  # another container's runtime needs it, too, and was quicker
        self.prepare_new(directory)

    def make_one(self, directory: str) -> None:
        """mkdir(2) and `made`; no signal interrupts us between them."""
        with Uninterrupted():
            posix.mkdir(directory, 0o755)
            self.made = directory == self.directory

    def prepare_new(self, directory: str) -> None:
        """What a new directory needs before anything else; nothing in most hierarchies."""


class MakeCpusetCgroup(MakeCgroup):
    """The same in v1's cpuset hierarchy, where a new cgroup has no CPUs and takes no process until it got some."""

    __slots__ = ()

    def perform(self, build: "Build | None") -> None:
        super().perform(build)
        if not self.made and "cpuset" in self.paths:
            self.prepare_new(self.directory)

    def prepare_new(self, directory: str) -> None:
        for name in ("cpuset.cpus", "cpuset.mems"):
            self.inherit(directory, name)

    def inherit(self, directory: str, name: str) -> str:
        """Copies the nearest ancestor's value down to directory where it is empty; returns it."""
        value = "" if directory == self.directory and self.made else read_file(directory, name)
        if value == "" and directory != self.mount:
            value = self.inherit(directory.rpartition("/")[0], name)
            write_file(directory, name, value)
        return value


class EnableControllers(Operation):
    """cgroup v2: has the parents hand their controllers down (cgroup.subtree_control) to the container's cgroup.

    required: controller -> the place in config.json that needs it: an error when it cannot be had.
    everything: also enable whatever else the top offers, for limits that come later and for statistics.
    """

    __slots__ = ("directory", "everything", "mount", "paths", "required")

    def __init__(
        self, mount: str, directory: str, paths: "dict[str, str]", required: "dict[str, str]", everything: bool
    ) -> None:
        super().__init__(next(iter(required.values()), ""))
        self.mount = mount
        self.directory = directory
        self.paths = paths
        self.required = required
        self.everything = everything

    def describe(self) -> str:
        return f"enable controllers for {self.directory}: {' '.join(self.required) or 'all there are'}"

    def perform(self, build: "Build | None") -> None:
        if self.directory not in self.paths.values():
            return  # rootless, and the directory could not be made; nothing was asked for
        wanted = list(self.required)
        if self.everything:
            wanted += [name for name in controllers(self.mount) if name not in self.required]
        present = controllers(self.directory)
        missing = [name for name in wanted if name not in present]
        if not missing:
            return
        refusals = self.hand_down(missing)
        self.settle_type(refusals)
        present = controllers(self.directory)
        for name, place in self.required.items():
            if name not in present:
                reason = f"the {name} controller is not available in {self.directory}"
                hint = refusals.get(name, "")
                if hint and posix.geteuid() != 0:
                    hint += "; Delegate= of user@.service says which controllers a user has"
                raise PyruncError(reason, place=place, hint=hint)

    def hand_down(self, names: "list[str]") -> "dict[str, str]":
        """Enables names from the top down; what an ancestor refused and why, for the error if it was required."""
        refusals: dict[str, str] = {}
        current = self.mount
        for part in self.directory[len(self.mount) + 1 :].split("/"):
            try:
                write_file(current, "cgroup.subtree_control", " ".join(f"+{name}" for name in names))
            except OSError:  # one that is not to be had fails them all: find out which
                for name in names:
                    try:
                        write_file(current, "cgroup.subtree_control", f"+{name}")
                    except OSError as error:
                        refusals.setdefault(name, f"{error.filename}: {reason_of(error.errno or 0)}")
            current = f"{current}/{part}"
        return refusals

    def settle_type(self, refusals: "dict[str, str]") -> None:
        """Below a threaded cgroup only a threaded one can hold processes, and some controllers are not to be had."""
        kind = read_file(self.directory, "cgroup.type")
        if kind == "domain":
            return
        for name, place in self.required.items():
            if name not in ("cpu", "cpuset", "perf_event", "pids"):
                raise PyruncError(
                    f"cannot enter cgroupv2 {self.directory!r} with domain controllers -- it is in {kind} mode",
                    place=place,
                    hint=refusals.get(name, ""),
                )
        if kind == "domain invalid":
            write_file(self.directory, "cgroup.type", "threaded")


class WriteCgroupFile(Operation):
    """Writes one value into one file of a cgroup.

    absent_ok: the kernel has no such file when the value is what it does anyway ("no swap" without swap).
    """

    __slots__ = ("absent_ok", "directory", "file", "value")

    def __init__(self, directory: str, file: str, value: str, place: str, *, absent_ok: bool = False) -> None:
        super().__init__(place)
        self.directory = directory
        self.file = file
        self.value = value
        self.absent_ok = absent_ok

    def describe(self) -> str:
        return f"write {self.value!r} to {self.directory}/{self.file}"

    def perform(self, build: "Build | None") -> None:
        try:
            write_file(self.directory, self.file, self.value)
        except OSError as error:
            if error.errno != ENOENT or not self.absent_ok:
                raise refused(error, self.directory, self.file, self.value, self.place) from error


class WriteFirstCgroupFile(Operation):
    """Writes to the first of several files that exists: the kernel's configuration decides which one does."""

    __slots__ = ("choices", "directory")

    def __init__(self, directory: str, choices: "list[tuple[str, str]]", place: str) -> None:
        super().__init__(place)
        self.directory = directory
        self.choices = choices

    def describe(self) -> str:
        return " or ".join(f"write {value!r} to {self.directory}/{file}" for file, value in self.choices)

    def perform(self, build: "Build | None") -> None:
        last = self.choices[-1][0]
        for file, value in self.choices:
            try:
                write_file(self.directory, file, value)
                return
            except OSError as error:
                if error.errno != ENOENT or file == last:
                    raise refused(error, self.directory, file, value, self.place) from error


class WriteTogether(Operation):
    """Writes values that the kernel checks against one another (memory and memory+swap; quota, period and burst).

    Which order it takes depends on the values there now, raised or lowered: what it calls invalid is tried again
    after the others, until nothing more can be written.
    """

    __slots__ = ("directory", "writes")

    def __init__(self, directory: str, writes: "list[tuple[str, str, str]]") -> None:
        super().__init__(writes[0][2])
        self.directory = directory
        self.writes = writes  # (file, value, place in config.json)

    def describe(self) -> str:
        values = ", ".join(f"{value!r} to {file}" for file, value, _ in self.writes)
        return f"write {values} in {self.directory}"

    def perform(self, build: "Build | None") -> None:
        pending = self.writes
        while pending:
            failed: list[tuple[str, str, str]] = []
            reason: OSError | None = None
            for write in pending:
                file, value, place = write
                try:
                    write_file(self.directory, file, value)
                except OSError as error:
                    if error.errno != EINVAL or len(self.writes) == 1:
                        raise self.explain(error, file, value, place) from error
                    failed.append(write)
                    reason = reason or error
            if reason is not None and len(failed) == len(pending):
                raise self.explain(reason, *failed[0]) from reason
            pending = failed

    def explain(self, error: OSError, file: str, value: str, place: str) -> PyruncError:
        """The error for one value that the kernel does not take."""
        return refused(error, self.directory, file, value, place)


class WriteMemoryLimits(WriteTogether):
    """The same for v1's memory limits; a limit below what cannot be reclaimed is told with the usage, as runc does."""

    __slots__ = ()

    def explain(self, error: OSError, file: str, value: str, place: str) -> PyruncError:
        if error.errno != EBUSY:
            return super().explain(error, file, value, place)
        kind = file.partition(".limit_in_bytes")[0]
        usage, peak = (read_file(self.directory, f"{kind}.{name}_in_bytes") for name in ("usage", "max_usage"))
        return PyruncError(
            f"unable to set memory limit to {value} (current usage: {usage}, peak usage: {peak})",
            place=place,
            errno=EBUSY,
        )


class CheckMemoryUsage(Operation):
    """memory.checkBeforeUpdate: refuses a limit that is not above what is in use now."""

    __slots__ = ("directory", "file", "limit", "what")

    def __init__(self, directory: str, file: str, limit: int, what: str, place: str) -> None:
        super().__init__(place)
        self.directory = directory
        self.file = file
        self.limit = limit
        self.what = what

    def describe(self) -> str:
        return f"check that {self.directory}/{self.file} is below {self.limit}"

    def perform(self, build: "Build | None") -> None:
        usage = int(read_file(self.directory, self.file))
        if self.limit <= usage:
            raise PyruncError(f"rejecting {self.what} limit {self.limit} <= usage {usage}")


# What the kernel only calls invalid: the beginning of the file's name, and what to do about it.
INVALID = (
    ("memory.limit_in_bytes", "-1 is no limit; any other must not be above that of memory plus swap: change both"),
    ("memory.memsw.limit_in_bytes", "swap counts memory plus swap: it needs a memory limit, and is at least that"),
    ("cpu.cfs_", "quota and period are in microseconds and at least 1000, a period at most 1000000"),
    ("cpu.max", "quota and period are in microseconds and at least 1000, a period at most 1000000"),
)


def refused(error: OSError, directory: str, file: str, value: str, place: str) -> PyruncError:
    """The error for a value that a cgroup's file does not take, with a hint where the kernel's reason says little."""
    operation = f"write {value!r} to {directory}/{file}"
    if file.startswith("hugetlb.") and error.errno == ENOENT:
        reason = f"this host has no huge pages of {file.split('.')[1]}"
        return PyruncError(reason, operation=operation, place=place, errno=ENOENT)
    made = from_os_error(error, operation=operation, place=place)
    if error.errno == EINVAL:
        made.hint = "".join([hint for start, hint in INVALID if file.startswith(start)])
    return made


def controllers(directory: str) -> "list[str]":
    """The controllers that a v2 cgroup has."""
    return read_file(directory, "cgroup.controllers").split()


def refuse_unfit(directory: str) -> None:
    """Raises PyruncError unless the existing cgroup is one to start a container in: empty and not frozen."""
    count = 0
    try:
        for fd, name in walk(directory):
            count += len(pids_in(fd, name))
        frozen = count == 0 and reads_frozen(directory)
    except OSError as error:
        if error.errno in (ENOENT, ENODEV):
            raise PyruncError(f"container's cgroup is being removed: {directory}", errno=EBUSY) from error
        raise
    if count:
        raise PyruncError(f"container's cgroup is not empty: {count} process(es) found", errno=EBUSY)
    if frozen:
        raise PyruncError("container's cgroup unexpectedly frozen", errno=EBUSY)


def reads_frozen(directory: str) -> bool:
    """Whether the directory's own freezer, v1's or v2's, is on (or going on)."""
    for file, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        try:
            return read_file(directory, file) != thawed
        except OSError as error:
            if error.errno not in (ENOENT, EOPNOTSUPP):
                raise
    return False
