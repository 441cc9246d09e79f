"""The one family of errors: made where a failure is known, completed on the way up, printed once in cli.py."""

from posix import strerror


def reason_of(errno: int) -> str:
    """The system's words for errno, in the lower case that callers of runc match ("no such file or directory")."""
    text = strerror(errno)
    return text[:1].lower() + text[1:]


class SystemCallError(OSError):
    """A system call failed.  `call` names it, `subject` what it was about (a path, a mount type, ...)."""

    def __init__(self, errno: int, call: str, subject: str = "", detail: str = "") -> None:
        super().__init__(errno, strerror(errno))
        self.call = call
        self.subject = subject
        self.detail = detail

    def __str__(self) -> str:
        subject = f" {self.subject}" if self.subject else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.call}{subject}: {reason_of(self.errno or 0)}{detail}"


class PyruncError(Exception):
    """What went wrong, for the person who has to mend it.

    reason:     the cause, in the words that callers of runc match where there are any
    operation:  what was being done ("bind /srv/data", "write uid_map")
    place:      where in config.json it was asked for ("mounts[3] (/data)"), "" when nowhere
    hint:       what to do about it, "" when unknown
    errno:      the system's number behind it, 0 when there is none

    Outer layers fill in what inner ones could not know: see `at`.
    """

    def __init__(self, reason: str, *, operation: str = "", place: str = "", hint: str = "", errno: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.operation = operation
        self.place = place
        self.hint = hint
        self.errno = errno

    def at(self, operation: str = "", place: str = "") -> "PyruncError":
        """The same error with the operation and place filled in where they were unknown."""
        self.operation = self.operation or operation
        self.place = self.place or place
        return self

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.operation, self.reason) if part)


def from_os_error(error: OSError, *, operation: str = "", place: str = "") -> PyruncError:
    """Turns any OSError into a PyruncError that keeps the call, the path (unless the operation ends with it) and the
    errno."""
    if isinstance(error, SystemCallError):
        reason = str(error)
    else:
        reason = reason_of(error.errno) if error.errno else str(error)
        if error.filename is not None:
            name = error.filename.decode("utf-8", "replace") if isinstance(error.filename, bytes) else error.filename
            if not f" {operation}".endswith((f" {name}", f"/{name}")):
                reason = f"{name}: {reason}"
    return PyruncError(reason, operation=operation, place=place, errno=error.errno or 0)


class ConfigError(PyruncError):
    """config.json (or a process.json) cannot be used.  `problems` lists all that is wrong with it."""

    def __init__(self, reason: str, *, problems: "list[tuple[str, str]] | None" = None, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.problems = problems or []


class ContainerNotFound(PyruncError):
    """There is no container of that id in this state root."""


class UnusableState(PyruncError):
    """state.json is not what this pyrunc writes, so nothing is known of the container but its configuration."""


class InvalidTransition(PyruncError):
    """The operation is not possible in the container's present status; nothing was done."""
