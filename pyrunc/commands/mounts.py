"""pyrunc mounts: adds mounts to a container that is there, or removes some, by a list in a JSON file."""

from pyrunc.commands import read_input
from pyrunc.container import Container
from pyrunc.errors import ConfigError
from pyrunc.options import UsageError
from pyrunc.spec.load import parse_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrunc.options import Invocation


def run(invocation: "Invocation") -> int:
    """Changes the mounts.  Raises PyruncError."""
    verb, container_id, path = invocation.arguments
    if verb not in ("add", "remove"):
        raise UsageError(f'pyrunc mounts: add or remove, not "{verb}"', "mounts")
    container = Container.load(invocation.root, container_id)
    mounts = load(path)
    if verb == "add":
        container.add_mounts(mounts)
    else:
        container.remove_mounts(mounts)
    return 0


def load(path: str) -> "list[dict[str, Any]]":
    """The list of mounts in a JSON file, "-" being the standard input.  Raises PyruncError."""
    data, name = read_input(path)
    mounts = parse_value(data, name)
    if not isinstance(mounts, list):
        raise ConfigError(f"{name}: must hold a JSON list of mounts, as config.json's")
    return mounts
