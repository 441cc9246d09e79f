"""The containers of a state root."""

import posix

from pyrunc import log
from pyrunc.errors import ContainerNotFound, PyruncError, from_os_error
from pyrunc.liveness import status_of
from pyrunc.record import owner_name, state_dict
from pyrunc.state import StateDirectory


def list_containers(root: str) -> "list[dict[str, object]]":
    """The states of all containers of a root, by id.  Those that vanish or cannot be read meanwhile are left out."""
    try:
        names = sorted(posix.listdir(root))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_os_error(error, operation="list containers") from error
    found = []
    for name in names:
        if name.startswith("."):
            continue
        try:
            with StateDirectory.open(root, name, lock=False) as state:
                record = state.load()
                status = status_of(state, record)
        except ContainerNotFound:
            continue
        except PyruncError as error:
            log.warn(f"{name}: {error}")
            continue
        entry = state_dict(record, status, 0 if status == "stopped" else record.pid)
        entry["owner"] = owner_name(record.owner)
        found.append(entry)
    return found
