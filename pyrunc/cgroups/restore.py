"""Changing the limits of a running container so that a failure leaves none of them changed.

What the files held is read before they are written, and written back when a later one is refused.
"""

from errno import ENOENT

from pyrunc import log
from pyrunc.cgroups.files import read_file, write_file
from pyrunc.cgroups.operations import WriteCgroupFile, WriteFirstCgroupFile, WriteTogether
from pyrunc.errors import PyruncError, reason_of
from pyrunc.operations.base import perform_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyrunc.operations.base import Operation

# Files with a line for each device or interface, named by its first word: the rest of a line for "no limit".
# cgroup-v1/blkio-controller.rst, cgroup-v2.rst, rdma.rst, net_prio.rst.
KEYED = {
    "blkio.weight_device": "0",
    "blkio.bfq.weight_device": "0",
    "blkio.leaf_weight_device": "0",
    "blkio.throttle.read_bps_device": "0",
    "blkio.throttle.write_bps_device": "0",
    "blkio.throttle.read_iops_device": "0",
    "blkio.throttle.write_iops_device": "0",
    "io.max": "rbps=max wbps=max riops=max wiops=max",
    "io.latency": "target=0",
    "io.weight": "default",
    "io.bfq.weight": "default",
    "misc.max": "max",
    "net_prio.ifpriomap": "0",
    "rdma.max": "hca_handle=max hca_object=max",
}
# Files that are read in another form than they are written in: the word before the value.
FLAGS = {"memory.oom_control": "oom_kill_disable"}

MAX_ATTEMPTS = 3  # as many values are checked against one another at most: quota, period and burst


def perform_or_restore(operations: "list[Operation]", commit: "Callable[[], None]") -> None:
    """Performs the operations of a plan_update and then `commit`, which notes that they are done; when one of them
    fails, what was changed is put back first.

    Raises PyruncError for the first failure.  What cannot be put back is told as a warning.
    """
    before: "dict[tuple[str, str], str]" = {}
    nothing: Any = None  # operations on cgroups need no build
    written = [write for operation in operations for write in writes_of(operation)]
    for directory, file, _ in written:
        if (directory, file) not in before:
            text = content(directory, file)
            if text is not None:
                before[directory, file] = text
    count = 0
    try:
        for operation in operations:
            perform_all([operation], nothing)
            count += 1
        commit()
    except BaseException:
        for done in reversed(operations[:count]):
            undo(done)
        put_back(written, before)
        raise


def undo(operation: "Operation") -> None:
    """Undoes what is no write to a file: systemd's opinion of the limits.  A failure is told as a warning."""
    if hasattr(operation, "undo"):
        try:
            operation.undo()
        except PyruncError as error:
            log.warn(f"put back: {error}")


def writes_of(operation: "Operation") -> "list[tuple[str, str, str]]":
    """(directory, file, value) of all that an operation may write."""
    if isinstance(operation, WriteCgroupFile):
        return [(operation.directory, operation.file, operation.value)]
    if isinstance(operation, WriteFirstCgroupFile):
        return [(operation.directory, file, value) for file, value in operation.choices]
    if isinstance(operation, WriteTogether):
        return [(operation.directory, file, value) for file, value, _ in operation.writes]
    return []


def content(directory: str, file: str) -> "str | None":
    """What the file holds; None when there is none, or none that can be read."""
    try:
        return read_file(directory, file)
    except OSError:
        return None


def put_back(written: "list[tuple[str, str, str]]", before: "dict[tuple[str, str], str]") -> None:
    """Undoes writes, the last one first.  What the kernel refuses is tried again after the others."""
    pending = []
    for directory, file, value in reversed(written):
        old = before.get((directory, file))
        if old is not None and content(directory, file) != old:
            text = former(file, value, old)
            if not text and file in ("cpuset.cpus", "cpuset.mems"):
                # cgroup2's "all that the parent has" cannot be had again while there are processes: name them.
                text = content(directory.rpartition("/")[0], f"{file}.effective") or ""
            pending.append((directory, file, text))
    reasons: "list[str]" = []
    for _ in range(MAX_ATTEMPTS):
        failed, reasons = [], []
        for directory, file, value in pending:
            try:
                write_file(directory, file, value)
            except OSError as error:
                if error.errno != ENOENT:  # else the container has ended, and its cgroup is gone
                    failed.append((directory, file, value))
                    reasons.append(f"put back {value!r} in {directory}/{file}: {reason_of(error.errno or 0)}")
        pending = failed
    for reason in reasons:
        log.warn(reason)


def former(file: str, value: str, old: str) -> str:
    """What to write to have the old content again in the place that writing `value` has changed."""
    if file in FLAGS:
        words = old.split()
        return words[words.index(FLAGS[file]) + 1] if FLAGS[file] in words else old
    key = value.partition(" ")[0]
    if file not in KEYED:
        return old
    if " " not in value:  # the weight of all devices that have none of their own
        key = "default"
    for line in old.split("\n"):
        name, _, rest = line.partition(" ")
        if name == key:
            return f"{key} {rest}"
    return f"{key} {KEYED[file]}"
