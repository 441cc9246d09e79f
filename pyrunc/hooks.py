"""Runs the hooks of config.json (config.md, "POSIX-platform Hooks"): one process each, in the order listed.

A hook is trusted as the caller is, but it may be slow, silent, chatty or broken.  So each runs in a process
group of its own with no descriptor but its three, reads the container's state from its standard input, and
what it prints is kept only as far as an error needs it.  Everything here also works in a process that has
joined other namespaces and can import nothing any more.
"""

import posix
import time
from errno import ENOENT, ENOEXEC

from pyrunc import fastjson, pathnames, syscalls
from pyrunc.errors import PyruncError, from_os_error, reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from pyrunc.spec.types import Hook
else:
    import _signal as signal

POLLIN = 0x1
POLLOUT = 0x4

# What an error message shows of each of a hook's outputs, from the end: bytes.
OUTPUT_KEPT = 8192
READ_SIZE = 65536
# A pipe holds at most 1 MiB (/proc/sys/fs/pipe-max-size): what a hook wrote before it ended is in so many reads.
DRAIN_READS = 16
# How long a killed process may take to go: seconds.  Only one that hangs in the kernel takes longer.
KILL_PATIENCE = 10.0


def run_hooks(
    hooks: "list[Hook]",
    state: "dict[str, object]",
    kind: str,
    *,
    container_id: str,
    cwd: str = "",
    default_env: "list[str] | tuple[str, ...]" = (),
    keep_going: bool = False,
) -> "list[PyruncError]":
    """Runs all hooks of one kind ("createRuntime", "poststop", ...), each after the one before it has ended.

    state:       what they read, as JSON, from their standard input (runtime.md, "State")
    cwd:         their working directory, "" for the caller's
    default_env: the environment ("NAME=value") of a hook that has no `env` of its own
    keep_going:  run the rest after a failure and give the failures back, for the caller to warn about
                 (poststop: "the remaining hooks and lifecycle continue as if the hook had succeeded")

    Without keep_going the first failure is raised as a PyruncError and the hooks after it do not run.
    """
    failures: list[PyruncError] = []
    if not hooks:
        return failures
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # The kernel would reap hooks by itself: no exit status, and a pid that may be another's by now.
        raise PyruncError(
            "SIGCHLD is ignored, so it could not be seen how hooks end",
            place=f"hooks.{kind}",
            hint="the calling program must set it back: signal.signal(signal.SIGCHLD, signal.SIG_DFL)",
        )
    try:
        document = fastjson.dumps(state).encode()
    except ValueError as error:
        raise PyruncError(str(error), operation="write the state for hooks", place=f"hooks.{kind}") from error
    cwd_fd = open_directory(cwd, f"hooks.{kind}") if cwd else -1
    try:
        for number, hook in enumerate(hooks):
            failure = run_hook(hook, document, default_env, cwd_fd)
            if failure is None:
                continue
            failure.reason = f"error running {kind} hook #{number}: {failure.reason}"
            failure.at(f"hook {hook['path']} of container {container_id}", f"hooks.{kind}[{number}]")
            if not keep_going:
                raise failure
            failures.append(failure)
    finally:
        if cwd_fd >= 0:
            posix.close(cwd_fd)
    return failures


def run_runtime_hooks(
    hooks: "list[Hook]", state: "dict[str, object]", kind: str, *, keep_going: bool = False
) -> "list[PyruncError]":
    """`run_hooks` for the kinds that run in the runtime's namespaces: in the bundle, and as with runc and crun with
    the runtime's own environment where a hook has none."""
    return run_hooks(
        hooks,
        state,
        kind,
        container_id=str(state["id"]),
        cwd=str(state["bundle"]),
        default_env=[f"{name}={value}" for name, value in pathnames.environ().items()],
        keep_going=keep_going,
    )


def open_directory(path: str, place: str) -> int:
    """An O_PATH descriptor of the directory that hooks start in; PyruncError when there is none."""
    try:
        return posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as error:
        raise from_os_error(error, operation="open the directory that hooks start in", place=place) from error


def run_hook(
    hook: "Hook", document: bytes, default_env: "list[str] | tuple[str, ...]", cwd_fd: int
) -> "PyruncError | None":
    """Runs one hook to its end.  Gives back what was wrong with it, None when it ended with status 0."""
    path = hook["path"]
    timeout = hook.get("timeout")
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        process = HookProcess(path, hook.get("args") or [path], list(hook.get("env", default_env)), document, cwd_fd)
    except OSError as error:
        return start_failure(path, error)
    try:
        if process.wait(deadline):
            what = process.reap()
        else:
            what = f"hook ran past specified timeout of {timeout:.1f}s"
            pid = process.pid
            if not process.kill():
                what += f", and process {pid} does not die"
        outputs = process.outputs
    except OSError as error:
        return from_os_error(error)
    finally:
        process.close()
    if not what:
        return None
    return PyruncError(f"{what}, stdout: {outputs[0].text()}, stderr: {outputs[1].text()}")


def start_failure(path: str, error: OSError) -> PyruncError:
    """The error of a hook that could not be started, with a hint for the two that puzzle people."""
    errno = error.errno or 0
    hint = ""
    if errno == ENOENT and pathnames.exists(path):
        hint = "the file is there: the interpreter that its first line (#!) or its ELF header names is not"
    elif errno == ENOEXEC:
        hint = "a script needs a first line such as #!/bin/sh"
    return PyruncError(f"fork/exec {path}: {reason_of(errno)}", hint=hint, errno=errno)


class Output:
    """The reading end of one of a hook's outputs, and the last of what came from it."""

    __slots__ = ("cut", "fd", "kept")

    def __init__(self, fd: int) -> None:
        posix.set_blocking(fd, False)
        self.fd = fd
        self.kept = b""
        self.cut = False

    def read(self) -> bool:
        """Takes what is there, at most READ_SIZE bytes; False when nothing is."""
        try:
            data = posix.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self.cut = self.cut or len(self.kept) + len(data) > OUTPUT_KEPT
        self.kept = (self.kept + data)[-OUTPUT_KEPT:]
        return True

    def drain(self) -> None:
        """Takes what the hook has left in the pipe, but no more: a daemon that it started may write for ever."""
        for _ in range(DRAIN_READS):
            if self.fd < 0 or not self.read():
                return

    def text(self) -> str:
        """What was kept, for an error message; begins with "..." when there was more."""
        return ("..." if self.cut else "") + self.kept.decode("utf-8", "replace").rstrip("\n")

    def close(self) -> None:
        """Closes the pipe, once."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1


class HookProcess:
    """A running hook: its process, and our ends of its three pipes."""

    __slots__ = ("outputs", "pid", "pidfd", "stdin", "unsent")

    def __init__(self, path: str, args: "list[str]", env: "list[str]", document: bytes, cwd_fd: int) -> None:
        """Starts the hook.  Raises OSError (nothing is left then)."""
        self.pid = -1
        self.pidfd = -1
        self.stdin = -1
        self.unsent = document
        self.outputs: list[Output] = []
        theirs: list[int] = []
        try:
            end, self.stdin = posix.pipe2(posix.O_CLOEXEC)
            theirs.append(end)
            posix.set_blocking(self.stdin, False)
            for _ in range(2):
                ours, end = posix.pipe2(posix.O_CLOEXEC)
                theirs.append(end)
                self.outputs.append(Output(ours))
            self.pid = syscalls.run_program(path, args, env, (theirs[0], theirs[1], theirs[2]), cwd_fd)
            self.pidfd = posix.pidfd_open(self.pid)
        except BaseException:
            self.close()
            raise
        finally:
            for fd in theirs:
                posix.close(fd)

    def wait(self, deadline: "float | None") -> bool:
        """Serves the pipes until the process has ended (True) or time.monotonic() reaches deadline (False).

        The end of the process counts, not that of its outputs: a daemon that it left behind may hold those.
        """
        out, err = self.outputs
        while True:
            syscalls.check_interrupt()
            milliseconds = syscalls.INTERRUPT_MS
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                milliseconds = min(int(left * 1000) + 1, syscalls.INTERRUPT_MS)
            wanted = [(self.pidfd, POLLIN), (self.stdin, POLLOUT), (out.fd, POLLIN), (err.fd, POLLIN)]
            ended, writable, out_ready, err_ready = syscalls.poll_all(wanted, milliseconds)
            if ended:
                out.drain()
                err.drain()
                return True
            if writable:
                self.send()
            if out_ready:
                out.read()
            if err_ready:
                err.read()

    def send(self) -> None:
        """Writes what the pipe takes; closes it at the end, or when the hook does not want to read."""
        # Not every caller ignores SIGPIPE: it is held back during the write, and then taken out of the queue.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPIPE,))
        try:
            self.unsent = self.unsent[posix.write(self.stdin, self.unsent) :]
        except BrokenPipeError:
            signal.sigtimedwait((signal.SIGPIPE,), 0)
            self.unsent = b""
        except BlockingIOError:
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if not self.unsent:
            posix.close(self.stdin)
            self.stdin = -1

    def reap(self) -> str:
        """Takes the exit status of the ended process: "" for success, or Go's words for it, as runc prints them."""
        pid, self.pid = self.pid, -1
        try:
            code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
        except ChildProcessError:
            return "exit status unknown (another thread of this program waits for all processes)"
        if code >= 0:
            return f"exit status {code}" if code else ""
        return f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"

    def kill(self) -> bool:
        """Kills the process and its group, and reaps it; False when it does not go."""
        for send, target in ((posix.killpg, self.pid), (posix.kill, self.pid)):
            try:
                send(target, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.pidfd >= 0 and not self.wait(time.monotonic() + KILL_PATIENCE):
            self.pid = -1
            return False
        self.reap()
        return True

    def close(self) -> None:
        """Closes the pipes.  A process that was not waited for (an error, Ctrl-C) is killed first."""
        if self.pid >= 0:
            self.kill()
        for output in self.outputs:
            output.close()
        for fd in (self.stdin, self.pidfd):
            if fd >= 0:
                posix.close(fd)
        self.stdin = self.pidfd = -1
