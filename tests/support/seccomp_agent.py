"""A seccomp agent for tests: takes container process states and answers the system calls that are left to it."""

import array
import fcntl
import json
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# linux/seccomp.h
NOTIF_RECV = 0xC0502100
NOTIF_SEND = 0xC0182101
FLAG_CONTINUE = 1
NOTIFICATION = "QIIiIQ6Q"  # struct seccomp_notif: id, pid, flags, then struct seccomp_data
RESPONSE = "QqiI"  # struct seccomp_notif_resp: id, val, error, flags

Answer = tuple[int, int, int]  # value, error, flags
GO_ON: Answer = (0, 0, FLAG_CONTINUE)


class SeccompAgent:
    """Listens at a path until it is closed; a context manager.

    answer: for the number of a system call, (value, errno, flags) for the process;  states: what was received;
    calls: (index of the state, pid, number) of each notification
    """

    def __init__(self, path: Path, answer: "Callable[[int], Answer]" = lambda _number: GO_ON) -> None:
        self.answer = answer
        self.states: list[dict[str, Any]] = []
        self.connections: list[tuple[int, bool]] = []  # descriptors with each, and whether it was closed after that
        self.calls: list[tuple[int, int, int]] = []
        self.listeners: list[int] = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.stop, self.stopped = os.pipe()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def __enter__(self) -> "SeccompAgent":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends; what is notified from now on fails with ENOSYS."""
        os.close(self.stopped)
        self.thread.join()
        for fd in (self.stop, *self.listeners):
            os.close(fd)
        self.socket.close()

    def serve(self) -> None:
        """The thread: one connection or notification after the other."""
        poll = select.poll()
        for fd in (self.stop, self.socket.fileno()):
            poll.register(fd, select.POLLIN)
        while True:
            for fd, events in poll.poll():
                if fd == self.stop:
                    return
                if fd == self.socket.fileno():
                    poll.register(self.take(), select.POLLIN)
                elif events & select.POLLIN:
                    self.handle(fd)
                else:
                    poll.unregister(fd)  # the last process with that filter has ended

    def take(self) -> int:
        """One container process state, and the listener that came with it."""
        connection = self.socket.accept()[0]
        connection.settimeout(10)
        data, fds, _, _ = socket.recv_fds(connection, 1 << 20, 8)
        while part := connection.recv(1 << 20):
            data += part
        self.connections.append((len(fds), True))
        connection.close()
        self.states.append(json.loads(data))
        self.listeners.append(fds[0])
        return fds[0]

    def handle(self, listener: int) -> None:
        """Answers one notification."""
        request = array.array("B", bytes(struct.calcsize(NOTIFICATION)))
        try:
            fcntl.ioctl(listener, NOTIF_RECV, request)
        except OSError:
            return  # the process was killed meanwhile
        id, pid, _, number, *_ = struct.unpack(NOTIFICATION, request)
        self.calls.append((self.listeners.index(listener), pid, number))
        value, error, flags = self.answer(number)
        try:
            fcntl.ioctl(listener, NOTIF_SEND, struct.pack(RESPONSE, id, value, -error, flags))
        except OSError:
            return
