"""The proxy between a container's sd_notify(3) and the service manager of the host.

What runs in the container is not trusted: of all that it may say, "READY=1" is passed on, once, in words of our own.
"""

import os
import select
import socket
import threading

from pyrunc import log, syscalls
from pyrunc.errors import from_os_error, reason_of
from pyrunc.record import open_process
from pyrunc.service import NOTIFY_SHOWN, NOTIFY_SOCKET
from pyrunc.state import NOTIFY_DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.record import Record
    from pyrunc.state import StateDirectory

READY = b"READY=1"
POLLIN = 0x1
LONGEST = 4096  # of one notification: bytes
# How long the manager may take until it has read what was sent: seconds.
BARRIER_PATIENCE = 30.0


class NotifyProxy:
    """The container's socket, the connection to the host's, and the container's process (a pidfd).

    close() it, or let forward() do that.
    """

    __slots__ = ("host", "inner", "pidfd")

    def __init__(self, directory: int, address: str, pidfd: int) -> None:
        """Connects to the manager and makes the container's socket in the directory (a descriptor).

        address: a path, or "@NAME" in the abstract name space;  pidfd: taken over
        Raises PyruncError; nothing is left open then.
        """
        self.pidfd = pidfd
        self.host = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.inner = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            name = os.fsencode(address)
            self.host.connect(b"\0" + name[1:] if name[:1] == b"@" else name)
            try:
                os.unlink(NOTIFY_SOCKET, dir_fd=directory)
            except FileNotFoundError:
                pass  # the usual case; there is one if a start was killed
            self.inner.bind(f"/proc/self/fd/{directory}/{NOTIFY_SOCKET}")
            os.chmod(NOTIFY_SOCKET, 0o777, dir_fd=directory)  # for all of the container's users: nobody else gets there
        except OSError as error:
            self.close()
            raise from_os_error(error, operation=f"NOTIFY_SOCKET {address}") from error

    def close(self) -> None:
        """Closes all that it has open."""
        self.host.close()
        self.inner.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def forward(self, main_pid: int = 0) -> None:
        """Waits until the container says that it is ready, or its process has ended; says so on the host; closes.

        main_pid: the process that the manager is to watch from then on, 0 to leave it with this one.
        A manager that does not listen any more is logged: the container is well.
        """
        try:
            if self.wait_ready():
                self.tell(main_pid)
        except OSError as error:
            log.warn(f"NOTIFY_SOCKET: {reason_of(error.errno or 0)}")
        finally:
            self.close()

    def forward_meanwhile(self) -> None:
        """The same in a thread of its own, which ends with the container at the latest."""
        threading.Thread(target=self.forward, daemon=True).start()

    def wait_ready(self) -> bool:
        """Whether the container has become ready before its process ended."""
        while True:
            told, ended = syscalls.poll_all([(self.inner.fileno(), POLLIN), (self.pidfd, POLLIN)], -1)
            if told:
                try:
                    # recv() takes no descriptors: those that were sent along are gone with the message.
                    if READY in self.inner.recv(LONGEST).split(b"\n"):
                        return True
                except BlockingIOError:
                    continue
            elif ended:
                return False

    def tell(self, main_pid: int) -> None:
        """READY, MAINPID, and a barrier: the manager knows who we are as long as we live, and has to read it until
        then (sd_notify_barrier(3))."""
        self.host.send(READY + b"\n")
        if main_pid:
            self.host.send(b"MAINPID=%d" % main_pid)
        reader, writer = os.pipe()
        try:
            try:
                socket.send_fds(self.host, [b"BARRIER=1"], [writer])
            finally:
                os.close(writer)
            poll = select.poll()
            poll.register(reader, 0)
            if not poll.poll(BARRIER_PATIENCE * 1000):
                log.warn(f"NOTIFY_SOCKET: the service manager has not read it for {BARRIER_PATIENCE:g} s")
        finally:
            os.close(reader)


def proxy_for(state: "StateDirectory", record: "Record", address: str) -> "NotifyProxy | None":
    """A proxy with its socket in the container's state directory, None when it was created without one."""
    pidfd = open_process(record.pid, record.start_time) if state.exists(NOTIFY_DIRECTORY) else None
    if pidfd is None:
        return None
    directory = os.open(NOTIFY_SHOWN, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=state.fd)
    try:
        return NotifyProxy(directory, address, pidfd)
    finally:
        os.close(directory)
