"""events: what a container uses, and the news that it ran out of memory."""

import os
import select
import time
from errno import ENODEV

from pyrunc import log
from pyrunc.cgroups.files import write_file
from pyrunc.cgroups.layout import UNIFIED
from pyrunc.cgroups.stats import collect
from pyrunc.errors import InvalidTransition, PyruncError, from_os_error
from pyrunc.liveness import status_of
from pyrunc.record import Record, open_process
from pyrunc.state import RESCTRL_FILE, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pyrunc.container import Container

    Stats = dict[str, Any]

OOM_CONTROL = "memory.oom_control"
MEMORY_EVENTS = "memory.events"


def stats(container: "Container") -> "dict[str, Any]":
    """What the container uses now.  Raises InvalidTransition when it has stopped."""
    return collect_at(*living(container))


def events(container: "Container", interval: float) -> "Iterator[dict[str, Any]]":
    """Yields a "stats" event every interval seconds and an "oom" event when it happens, until the container ends.

    Raises PyruncError.
    """
    record, group = living(container)
    pidfd = open_process(record.pid, record.start_time)
    if pidfd is None:
        raise not_running(container)
    try:
        with OutOfMemory(record.cgroups) as out_of_memory:
            yield from follow(container.id, lambda: collect_at(record, group), pidfd, out_of_memory, interval)
    finally:
        os.close(pidfd)


def follow(
    id: str, read: "Callable[[], Stats]", pidfd: int, out_of_memory: "OutOfMemory", interval: float
) -> "Iterator[dict[str, Any]]":
    """The events until the process of pidfd ends."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if out_of_memory.fd >= 0:
        poll.register(out_of_memory.fd, out_of_memory.mask)
    due = time.monotonic() + interval
    ended = False
    while not ended:
        ready = poll.poll(max(0.0, (due - time.monotonic()) * 1000))
        ended = any(fd == pidfd for fd, _ in ready)
        # Also when only the process has ended: that may be why.
        if ready and out_of_memory.happened():
            yield {"type": "oom", "id": id}
        if not ended and time.monotonic() >= due:
            yield {"type": "stats", "id": id, "data": read()}
            due = max(due + interval, time.monotonic())


class OutOfMemory:
    """Notices of the kernel killing for want of memory in a container's cgroup; a context manager.

    cgroup v1 has an eventfd for it (memory-cgroup.rst, "OOM Control"), cgroup2 a file to poll (memory.events).

    fd: what to poll, -1 where the container has no memory cgroup;  mask: for which events
    """

    __slots__ = ("_control", "_kills", "fd", "mask")

    def __init__(self, paths: "dict[str, str]") -> None:
        self.fd = -1
        self.mask = select.POLLIN
        self._control = ""
        self._kills = 0
        try:
            if "memory" in paths:
                self._register(paths["memory"])
            elif UNIFIED in paths and os.path.exists(f"{paths[UNIFIED]}/{MEMORY_EVENTS}"):
                self.mask = select.POLLPRI
                self.fd = os.open(f"{paths[UNIFIED]}/{MEMORY_EVENTS}", os.O_RDONLY | os.O_CLOEXEC)
                self._kills = self._read_kills()
            else:
                log.warn("the container has no memory cgroup: that it runs out of memory is not reported")
        except OSError as error:
            self.close()
            raise from_os_error(error, operation="watch for want of memory") from error

    def _register(self, directory: str) -> None:
        self._control = f"{directory}/{OOM_CONTROL}"
        control = os.open(self._control, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            write_file(directory, "cgroup.event_control", f"{self.fd} {control}")
        finally:
            os.close(control)

    def _read_kills(self) -> int:
        """How many processes have been killed so far; poll() tells of changes after this reading."""
        os.lseek(self.fd, 0, os.SEEK_SET)
        words = os.read(self.fd, 4096).split()
        return int(words[words.index(b"oom_kill") + 1])

    def happened(self) -> bool:
        """Whether memory has run out since the last look."""
        if self.fd < 0:
            return False
        if self.mask == select.POLLIN:
            try:
                os.eventfd_read(self.fd)
            except BlockingIOError:
                return False
            return os.path.exists(self._control)  # the removal of the cgroup wakes, too
        before = self._kills
        try:
            self._kills = self._read_kills()
        except OSError as error:
            if error.errno != ENODEV:  # removed
                raise
        return self._kills > before

    def close(self) -> None:
        """Closes the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def __enter__(self) -> "OutOfMemory":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def living(container: "Container") -> "tuple[Record, Stats]":
    """The record of a container that has not stopped, and its group in resctrl if it has one.

    Raises InvalidTransition, with runc's words.
    """
    with StateDirectory.open(container.root, container.id, lock=False) as state:
        record = state.load()
        if status_of(state, record) in ("stopped", "creating"):
            raise not_running(container)
        group: "Stats" = {}
        if state.exists(RESCTRL_FILE):
            from pyrunc.resctrl import load

            group = load(state)
    if not record.cgroups:
        from pyrunc.rootless import CGROUP_HINT

        raise PyruncError("the container has no cgroup, which would tell what it uses", hint=CGROUP_HINT)
    return record, group


def not_running(container: "Container") -> InvalidTransition:
    """The error for a container that has stopped."""
    return InvalidTransition(f"container with id {container.id} is not running")


def collect_at(record: Record, group: "Stats") -> "Stats":
    """The statistics.  Raises PyruncError."""
    try:
        stats = collect(record.cgroups)
        if group:
            from pyrunc import resctrl_stats

            stats["intel_rdt"] = resctrl_stats.collect(group)
        return stats
    except OSError as error:
        raise from_os_error(error, operation="read the statistics") from error
