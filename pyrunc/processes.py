"""All processes of a container: stopped, let go on, listed."""

from pyrunc import cgroups
from pyrunc.errors import InvalidTransition, PyruncError
from pyrunc.liveness import status_of
from pyrunc.state import PAUSED_FILE, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.container import Container


def pause(container: "Container") -> None:
    """Freezes a running or created container.  Raises PyruncError, and then nothing stands still."""
    with StateDirectory.open(container.root, container.id) as state:
        record = state.load()
        status = status_of(state, record)
        if status not in ("running", "created"):
            raise InvalidTransition("container not running")
        if not record.cgroups:
            from pyrunc.rootless import CGROUP_HINT

            raise PyruncError("cannot pause a container that has no cgroup", hint=CGROUP_HINT)
        if status == "created":
            state.write(PAUSED_FILE, b"")
        try:
            cgroups.freeze(record.cgroups)
        except BaseException:
            state.unlink(PAUSED_FILE)
            raise


def resume(container: "Container") -> None:
    """Thaws a paused container.  Raises PyruncError."""
    with StateDirectory.open(container.root, container.id) as state:
        record = state.load()
        if status_of(state, record) != "paused":
            raise InvalidTransition("container not paused")
        cgroups.thaw(record.cgroups)
        state.unlink(PAUSED_FILE)


def pids(container: "Container") -> "list[int]":
    """The processes in the container's cgroup and below, or in its namespaces when it has no cgroup.

    Those that the caller's pid namespace lacks are left out.
    """
    with StateDirectory.open(container.root, container.id, lock=False) as state:
        record = state.load()
    if not record.cgroups:
        from pyrunc.namespace_members import members

        return members(record)
    return [pid for pid in cgroups.processes(record.cgroups) if pid]
