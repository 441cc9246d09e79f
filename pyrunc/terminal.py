"""The host's side of a container's terminal: handing its master end over, or relaying it to our own terminal."""

import posix

from pyrunc import foreground, rendezvous, syscalls
from pyrunc.errors import PyruncError, from_os_error
from pyrunc.foreground import POLLIN, SIGCHLD, SIGWINCH

POLLOUT = 0x4

SIGHUP = 1
SIGINT = 2
SIGQUIT = 3
SIGTERM = 15
SIGCONT = 18

# At most so much is read at a time, and not before the last is written: neither side can fill our memory.
CHUNK = 16384
# What a pipe that polls writable takes without blocking.
PIPE_BUF = 4096
# What is still relayed after the process's end: more than a terminal holds, so the rest is not its own output but
# that of what it left running.
LAST_OUTPUT = 262144


def check_console(terminal: bool, detach: bool, console_socket: "str | None") -> None:
    """Raises PyruncError, with runc's words, when --console-socket and process.terminal do not go together.

    detach: nobody stays to relay the terminal (`create`, and --detach).
    """
    if terminal and detach and not console_socket:
        raise PyruncError(
            "cannot allocate tty if runc will detach without setting console socket",
            hint="give --console-socket, or set process.terminal to false",
        )
    if console_socket and not (terminal and detach):
        raise PyruncError(
            "cannot use console socket if runc will not detach or allocate tty",
            hint="--console-socket needs process.terminal, and create or --detach",
        )


def send_console(socket_path: str, master_fd: int, name: str) -> None:
    """Sends the master end of the container's terminal to whoever listens at socket_path (runc's protocol).

    One message: the descriptor, and name (such as "/dev/pts/0") as its payload.  Raises PyruncError.
    """
    rendezvous.send(socket_path, "console socket", syscalls.encode(name), (master_fd,))


def adopt_size(master_fd: int) -> None:
    """The container's terminal gets the size of ours, if we have one: before its program starts and looks at it."""
    _copy_size(_own_terminal((0, 1, 2)), master_fd)


def _copy_size(own_fd: int, master_fd: int) -> None:
    if own_fd >= 0:
        import termios

        try:
            termios.tcsetwinsize(master_fd, termios.tcgetwinsize(own_fd))
        except termios.error:
            # Ours has just gone away.
            return


def _own_terminal(fds: "tuple[int, ...]") -> int:
    return next((fd for fd in fds if posix.isatty(fd)), -1)


def relay(
    master_fd: int,
    pid: int,
    pidfd: int,
    *,
    stdin: int = 0,
    stdout: int = 1,
    stderr: int = 2,
    reap_orphans: bool = False,
) -> int:
    """Connects our stdin and stdout with the terminal of the child pid until that ends.  Returns its exit status.

    A terminal on stdin is put into raw mode meanwhile and restored in every case; its size and its changes are
    passed on; signals are forwarded as foreground.wait() does.  master_fd is taken over, and closed.
    """
    import termios

    try:
        with (
            foreground.Signals(reap_orphans, window=True) as signals,
            _Terminal(stdin, stdout, stderr, master_fd) as own,
        ):
            _Relay(master_fd, pid, pidfd, own, signals).run()
    except termios.error as error:
        raise from_os_error(OSError(*error.args), operation="relay the terminal") from error
    except OSError as error:
        raise from_os_error(error, operation="relay the terminal") from error
    finally:
        posix.close(master_fd)
    return foreground.exit_status(pid)


class _Terminal:
    """Our own terminal, if stdin, stdout or stderr is one: its mode and its size.

    Only a terminal on stdin is put into raw mode: otherwise its keys would reach nobody, and ^C would be dead.
    """

    __slots__ = ("_saved", "master", "size_fd", "stdin", "stdout")

    def __init__(self, stdin: int, stdout: int, stderr: int, master: int) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.master = master
        self.size_fd = _own_terminal((stdin, stdout, stderr))
        self._saved: "list[int | list[bytes | int]] | None" = None

    def __enter__(self) -> "_Terminal":
        if not posix.isatty(self.stdout):
            self._clear_onlcr()
        self.take()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._saved is not None:
            import termios

            try:
                termios.tcsetattr(self.stdin, termios.TCSANOW, self._saved)
            except termios.error:
                # The terminal has gone away (its window was closed): there is nothing to restore.
                self._saved = None

    def take(self) -> bool:
        """Sets raw mode and passes the size on.  False while stdin's terminal has another foreground group.

        To be repeated when we are continued: the shell has set its own mode in between.
        """
        if posix.isatty(self.stdin):
            if not self.is_foreground():
                return False
            self._set_raw()
        self.pass_size()
        return True

    def is_foreground(self) -> bool:
        """False when stdin is our controlling terminal and we are in its background (`pyrunc run -t &`)."""
        try:
            return posix.tcgetpgrp(self.stdin) == posix.getpgrp()
        except OSError:
            # Not our controlling terminal: it has no job control to respect.
            return True

    def pass_size(self) -> None:
        """The container's terminal gets the size of ours."""
        _copy_size(self.size_fd, self.master)

    def _set_raw(self) -> None:
        import termios

        attributes = termios.tcgetattr(self.stdin)
        if self._saved is None:
            self._saved = list(attributes)
        iflag, oflag, cflag, lflag, _ispeed, _ospeed, characters = attributes
        iflag &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        # The container's terminal already writes \r\n; but when stdout is a pipe, others write to ours.
        if posix.isatty(self.stdout):
            oflag &= ~termios.OPOST
        cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        characters = list(characters)
        characters[termios.VMIN] = 1
        characters[termios.VTIME] = 0
        raw = [iflag, oflag, cflag, lflag, *attributes[4:6], characters]
        termios.tcsetattr(self.stdin, termios.TCSANOW, raw)

    def _clear_onlcr(self) -> None:
        """For a file or a pipe the container's lines end in \\n alone, as with runc."""
        import termios

        attributes = termios.tcgetattr(self.master)
        attributes[1] &= ~termios.ONLCR
        termios.tcsetattr(self.master, termios.TCSANOW, attributes)


class _Relay:
    """The loop: what has been read from one side and is not yet written to the other."""

    __slots__ = (
        "_exited",
        "_from_master",
        "_last_byte",
        "_last_output",
        "_listening",
        "_master",
        "_own",
        "_pid",
        "_pidfd",
        "_signals",
        "_stdin",
        "_to_master",
    )

    def __init__(self, master: int, pid: int, pidfd: int, own: _Terminal, signals: foreground.Signals) -> None:
        self._master = master
        self._pid = pid
        self._pidfd = pidfd
        self._own = own
        self._signals = signals
        self._stdin = own.stdin
        self._listening = not posix.isatty(own.stdin) or own.is_foreground()
        self._to_master = b""
        self._from_master = b""
        self._last_byte = b"\n"
        self._last_output = LAST_OUTPUT
        self._exited = False

    def run(self) -> None:
        """Relays until the process has ended and its last output is written, or our stdout is gone."""
        posix.set_blocking(self._master, False)
        # While we hold the other end too, the terminal survives that the container closes and reopens it, as
        # init systems do; without, a closed one would read as an error again and again.
        slave = _open_peer(self._master)
        try:
            while not (self._exited and not self._from_master and not self._read_master()):
                self._step()
        except BrokenPipeError:
            # Nobody reads our stdout.  Closing the master hangs the terminal up, which is what its user would do.
            posix.close(slave)
            slave = -1
            self._hang_up()
        finally:
            if slave >= 0:
                posix.close(slave)

    def _step(self) -> None:
        """Waits until something can be done, and does it."""
        own = self._own
        want_stdin = self._stdin >= 0 and self._listening and not self._to_master and not self._exited
        signalled, ended, typed, master, writable = syscalls.poll_all(
            [
                (self._signals.fd, POLLIN),
                (-1 if self._exited else self._pidfd, POLLIN),
                (self._stdin if want_stdin else -1, POLLIN),
                (self._master, (0 if self._from_master else POLLIN) | (POLLOUT if self._to_master else 0)),
                (own.stdout if self._from_master else -1, POLLOUT),
            ],
            -1,
        )
        if signalled:
            self._handle_signals()
        if typed:
            self._read_stdin()
        if master & POLLOUT and self._to_master:
            self._write_master()
        if writable:
            self._write_stdout()
        elif master and not self._from_master:
            self._read_master()
        if ended:
            self._exited = True

    def _handle_signals(self) -> None:
        for number in self._signals.read():
            if number == SIGCHLD:
                foreground.reap_all_but(self._pid)
            elif number == SIGWINCH:
                self._own.pass_size()
            elif not self._exited:
                if number == SIGCONT:
                    self._listening = self._own.take()
                foreground.forward(self._pidfd, number)
            elif number in (SIGHUP, SIGINT, SIGQUIT, SIGTERM):
                # The process has ended and whoever reads its last output does not: enough.
                raise BrokenPipeError

    def _read_stdin(self) -> None:
        try:
            data = posix.read(self._stdin, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            # Our terminal has gone away.
            data = b""
        if data:
            self._to_master = data
            self._last_byte = data[-1:]
        else:
            self._stdin = -1
            self._to_master = self._end_of_file()

    def _end_of_file(self) -> bytes:
        """What a user would type to end the input: ^D, once more when it follows an unfinished line."""
        import termios

        attributes = termios.tcgetattr(self._master)
        if not attributes[3] & termios.ICANON:
            return b""
        end = attributes[6][termios.VEOF]
        return bytes(end if self._last_byte == b"\n" else end * 2)

    def _write_master(self) -> None:
        try:
            self._to_master = self._to_master[posix.write(self._master, self._to_master) :]
        except BlockingIOError:
            return

    def _read_master(self) -> bool:
        """False when there is nothing to read now."""
        try:
            self._from_master = posix.read(self._master, CHUNK)
        except OSError:
            # EAGAIN, or EIO: all ends but ours are closed, which says no more.
            return False
        if self._exited:
            self._last_output -= len(self._from_master)
        return bool(self._from_master) and self._last_output > 0

    def _write_stdout(self) -> None:
        # stdout is shared with our caller, so it is not made non-blocking.
        try:
            written = posix.write(self._own.stdout, self._from_master[:PIPE_BUF])
        except BlockingIOError:
            return
        except OSError as error:
            raise BrokenPipeError from error
        self._from_master = self._from_master[written:]

    def _hang_up(self) -> None:
        """Lets go of the terminal and waits for the process's end."""
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        posix.dup2(null, self._master, inheritable=False)
        posix.close(null)
        while not self._exited:
            signalled, ended = syscalls.poll_all([(self._signals.fd, POLLIN), (self._pidfd, POLLIN)], -1)
            if signalled:
                self._handle_signals()
            self._exited = bool(ended)


def _open_peer(master: int) -> int:
    """The other end of the terminal, from the kernel and not by a path (TIOCGPTPEER)."""
    import fcntl

    tiocgptpeer = 0x5441
    return fcntl.ioctl(master, tiocgptpeer, posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC)
