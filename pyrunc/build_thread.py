"""The builder without a fork: a thread with a file system view of its own, for containers without a user namespace.

setns(2) into a mount namespace changes one thread only, once that thread has left the root and working directory
that it shares with the others (unshare(CLONE_FS)).  So the thread enters, builds and ends, and the rest of the process
never leaves the host.  A fork would copy the interpreter, page by page as both go on.

A user namespace changes a thread's credentials, which a process with several threads may not do; hooks want to be
started from the pid namespace; and in a mount namespace that is joined "/" may be what somebody hostile has put there,
while an import or a finalizer of the program may run in any thread: these have the fork of builder.py, which is sealed.
In a new mount namespace "/" is the host's own until the helper switches the root, after this thread has ended.
"""

import posix
from _thread import allocate_lock, start_new_thread

from pyrunc import syscalls
from pyrunc.builder import enter, wait_prepared
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.namespaces import BUILDER_NAMESPACES
from pyrunc.operations.base import perform_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.launch import Helper
    from pyrunc.operations.base import Operation
    from pyrunc.operations.build import Build

CLONE_FS = 0x200
SIGKILL = 9


class BuildThread:
    """A running builder; the same verbs as `builder.Builder`."""

    __slots__ = ("build", "done", "error", "go", "inside", "mounted", "namespaces", "operations", "waits")

    def __init__(
        self, operations: "list[Operation]", build: "Build", inside: "Helper", namespaces: int, waits: bool
    ) -> None:
        """Starts it.

        namespaces: flags of those that the container has of its own, made or joined
        waits:      hooks of the runtime run while the file system stands: what comes after them waits for `go_on`
        """
        self.operations = operations
        self.build = build
        self.inside = inside
        self.namespaces = namespaces
        self.waits = waits
        self.error: BaseException | None = None
        self.mounted, self.go, self.done = allocate_lock(), allocate_lock(), allocate_lock()
        for lock in (self.mounted, self.go, self.done):
            lock.acquire()
        try:
            start_new_thread(self.work, ())
        except RuntimeError as error:
            raise PyruncError(str(error), operation="start the builder's thread") from error

    def work(self) -> None:
        """What the thread does.  Its umask is its own, too: directories on the way have the usual mode."""
        try:
            syscalls.unshare(CLONE_FS)
            posix.umask(0o022)
            perform_all(self.operations, self.build, "prepare")
            wait_prepared(self.inside)
            enter(self.inside.pidfd, self.namespaces & BUILDER_NAMESPACES)
            if self.waits:
                perform_all([step for step in self.operations if not step.after_hooks], self.build)
                self.mounted.release()
                self.go.acquire()
                perform_all([step for step in self.operations if step.after_hooks], self.build)
            else:
                perform_all(self.operations, self.build)
        except BaseException as error:  # noqa: BLE001 it is raised where the thread is waited for
            self.error = error
        finally:
            if self.mounted.locked():
                self.mounted.release()
            self.done.release()

    def wait_mounted(self) -> int:
        """Waits until the file system stands.  Returns the descriptor of its root mount; raises what went wrong."""
        with self.mounted:
            self.check()
            return syscalls.fcntl(self.build.root, syscalls.F_DUPFD_CLOEXEC)

    def go_on(self) -> None:
        """Lets a builder that waits do the rest, and waits for that."""
        self.go.release()
        with self.done:
            self.check()

    def check(self) -> None:
        """Raises what went wrong in the thread."""
        if isinstance(self.error, OSError):
            raise from_os_error(self.error) from self.error
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Waits for the thread's end and closes what it had open."""
        with self.done:
            self.build.close()

    def kill(self) -> None:
        """Ends the builder, which waits for nobody but the helper and us: so the helper has to end first."""
        self.inside.signal(SIGKILL)
        if self.go.locked():
            self.go.release()
        self.finish()
