"""Waiting for a process in the foreground: signals that reach pyrunc go to it, its end becomes an exit status.

Signals are held back (blocked) in the calling thread and read from a descriptor, so none is lost between
starting the process and waiting for it, and no handler of an importing program is replaced.
"""

import _signal
import posix

from pyrunc import syscalls
from pyrunc.errors import PyruncError, from_os_error, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.launch import Helper

POLLIN = 0x1

SIGKILL = 9
SIGSTOP = 19
SIGCHLD = 17
SIGURG = 23
SIGWINCH = 28

# Not forwarded: those that cannot be blocked, what concerns pyrunc itself (a child's end, its own terminal's
# size), and the faults of its own instructions (ILL, TRAP, BUS, FPE, SEGV, SYS).
_OWN = (SIGKILL, SIGSTOP, SIGCHLD, SIGURG, SIGWINCH, 4, 5, 7, 8, 11, 31)

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Orphans of the container's processes become this process's children: see wait(reap_orphans=True)."""
    syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1)


def hold_signals(interruptible: bool = False) -> "set[int]":
    """Blocks what wait() forwards, in this thread.  Returns the mask for release_signals().

    To be called before the process is started when not even a signal at that moment may be lost.  interruptible:
    but for those that are to end what leads up to that (SIGHUP, SIGINT, SIGTERM); then call it again before the start.
    """
    signals = forwarded_signals().difference(syscalls.INTERRUPTING if interruptible else ())
    return set(_signal.pthread_sigmask(_signal.SIG_BLOCK, signals))


def release_signals(mask: "set[int]") -> None:
    """Sets the mask that hold_signals() returned."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def forwarded_signals() -> "set[int]":
    """The numbers of all signals that are forwarded."""
    return {int(number) for number in _signal.valid_signals()}.difference(_OWN)


def wait_foreground(process: "Helper", master: int, reap_orphans: bool) -> int:
    """Waits for the process, relaying its terminal if it has one, and returns its exit status.  Raises PyruncError."""
    try:
        if master >= 0:
            from pyrunc.terminal import relay

            return relay(master, process.pid, process.pidfd, reap_orphans=reap_orphans)
        return wait(process.pid, process.pidfd, reap_orphans=reap_orphans)
    except OSError as error:
        raise from_os_error(error, operation="wait for the process") from error


def wait(pid: int, pidfd: int, *, reap_orphans: bool = False) -> int:
    """Waits for the child pid, forwarding signals to it.  Returns its exit status, 128+n when signal n ended it.

    reap_orphans also collects other children, as a subreaper must; never in a program with children of its own.
    Raises PyruncError when the status is lost (the caller ignores SIGCHLD, or waited for the child itself).
    """
    with Signals(reap_orphans) as signals:
        while not syscalls.poll_all([(signals.fd, POLLIN), (pidfd, POLLIN)], -1)[1]:
            for number in signals.read():
                if number == SIGCHLD:
                    reap_all_but(pid)
                else:
                    forward(pidfd, number)
    return exit_status(pid)


class Signals:
    """Blocked signals and the descriptor that tells of them.  Leaving the block restores the mask.

    What arrived meanwhile and was not read is dropped: it was meant for a process that is gone.
    """

    __slots__ = ("_mask", "_numbers", "fd")

    def __init__(self, reap_orphans: bool = False, window: bool = False) -> None:
        self._numbers = forwarded_signals()
        if reap_orphans:
            self._numbers.add(SIGCHLD)
        if window:
            self._numbers.add(SIGWINCH)
        self._mask: "set[int]" = set()
        self.fd = -1

    def __enter__(self) -> "Signals":
        self._mask = set(_signal.pthread_sigmask(_signal.SIG_BLOCK, self._numbers))
        try:
            self.fd = syscalls.signalfd(self._numbers)
        except OSError:
            release_signals(self._mask)
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        while self.read():
            continue
        posix.close(self.fd)
        release_signals(self._mask)

    def read(self) -> list[int]:
        """The numbers of the signals that have arrived, without waiting."""
        size = 128  # struct signalfd_siginfo; ssi_signo is its first field
        try:
            data = posix.read(self.fd, 16 * size)
        except BlockingIOError:
            return []
        return [int.from_bytes(data[start : start + 4], "little") for start in range(0, len(data), size)]


def forward(pidfd: int, number: int) -> None:
    """Sends a signal to the process; that it has just ended is no error."""
    try:
        _signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
    except OSError as error:
        from pyrunc import log

        log.warn(f"signal {number} could not be forwarded: {reason_of(error.errno or 0)}")


def reap_all_but(pid: int) -> None:
    """Collects every ended child except pid, whose status is still wanted."""
    while True:
        try:
            ended = posix.waitid(posix.P_ALL, 0, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == pid:
            return
        posix.waitpid(ended.si_pid, 0)


def exit_status(pid: int) -> int:
    """Collects the ended child pid.  Returns its exit status, 128+n when signal n ended it."""
    try:
        status = posix.waitpid(pid, 0)[1]
    except ChildProcessError as error:
        raise PyruncError(
            f"the exit status of process {pid} is lost", hint="the caller must not ignore SIGCHLD", errno=10
        ) from error
    code = posix.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
