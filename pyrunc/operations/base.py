"""What an operation is: one step of a plan that can say what it will do, and do it."""

from pyrunc.errors import PyruncError, from_os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyrunc.operations.build import Build


class Operation:
    """One step.  Making one decides everything; performing it decides nothing.

    place:       where in config.json it was asked for ("mounts[3] (/data)"), "" when pyrunc itself wants it.
    after_hooks: whether it has to wait for the createContainer hooks, which may still write into the root
                 file system and mount in it.
    """

    __slots__ = ("place",)
    after_hooks = False

    def __init__(self, place: str = "") -> None:
        self.place = place

    def describe(self) -> str:
        """One line: what perform() will do, as shown in errors and traces."""
        raise NotImplementedError

    def reserve(self, build: "Build") -> None:
        """What must happen before any namespace of the container is entered: running a program of our own."""

    def prepare(self, build: "Build") -> None:
        """What must happen in the runtime's own namespaces, with its privileges: opening what is to be bound."""

    def perform(self, build: "Build") -> None:
        """Does it.  Raises OSError or PyruncError."""
        raise NotImplementedError


def perform_all(operations: "Iterable[Operation]", build: "Build", step: str = "perform") -> None:
    """Has operations do a step (a method), in order; a failure names the operation and its place in config.json."""
    for operation in operations:
        try:
            getattr(operation, step)(build)
        except PyruncError as error:
            raise error.at(operation.describe(), operation.place) from error
        except OSError as error:
            raise from_os_error(error, operation=operation.describe(), place=operation.place) from error
