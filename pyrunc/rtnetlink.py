"""Network devices and their addresses, asked and changed through rtnetlink(7): the few messages that moving one takes.

A socket belongs to the network namespace that its maker was in, whoever uses it later.  So `inside` makes one in a
thread that enters the namespace and ends, and neither the caller's thread nor any other of the process ever leaves
its own.  (pyroute2 forks for this, and needs 0.13 s and asyncio to be imported: too much for five messages, and a
program with threads should not be forked.)
"""

import os
import socket
import struct
import threading
from errno import EAGAIN, ENODEV
from sys import byteorder

from pyrunc import syscalls
from pyrunc.errors import PyruncError, SystemCallError
from pyrunc.namespaces import CLONE_NEWNET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/netlink.h
NETLINK_ROUTE = 0
SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE, NLM_F_DUMP = 0x1, 0x4, 0x200, 0x400, 0x300
NLM_F_DUMP_INTR, NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x10, 0x100, 0x200
NLMSGERR_ATTR_MSG = 1
NLA_TYPE_MASK = 0x3FFF

# linux/rtnetlink.h
RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
RT_SCOPE_UNIVERSE = 0

# linux/if_link.h, linux/if_addr.h
IFLA_IFNAME, IFLA_NET_NS_FD, IFLA_NEW_IFINDEX = 3, 28, 49
IFF_UP = 1
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS, IFA_RT_PRIORITY = 1, 2, 4, 8, 9
IFA_F_PERMANENT = 0x80
# Those flags that may be set; the others say what the kernel found.
IFA_F_HOMEADDRESS, IFA_F_NODAD, IFA_F_NOPREFIXROUTE, IFA_F_MCAUTOJOIN = 0x10, 0x02, 0x200, 0x400
KEPT_FLAGS = IFA_F_HOMEADDRESS | IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN
KEPT_ATTRIBUTES = (IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_RT_PRIORITY)

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg
ATTRIBUTE = struct.Struct("=HH")  # struct nlattr
LARGEST_ANSWER = 1 << 16
DUMP_ATTEMPTS = 10
# What a dump gives when devices or addresses changed meanwhile.
INTERRUPTED: "list[bytes]" = []


class Address:
    """An address of a device, as one network namespace tells and another takes it.

    family, prefix_length, flags (IFA_F_*), attributes (IFA_* -> payload)
    """

    __slots__ = ("attributes", "family", "flags", "prefix_length")

    def __init__(self, family: int, prefix_length: int, flags: int, attributes: "dict[int, bytes]") -> None:
        self.family = family
        self.prefix_length = prefix_length
        self.flags = flags
        self.attributes = attributes

    def __str__(self) -> str:
        address = self.attributes.get(IFA_LOCAL) or self.attributes[IFA_ADDRESS]
        return f"{socket.inet_ntop(self.family, address)}/{self.prefix_length}"


class Rtnetlink:
    """A socket to the routing part of one network namespace; a context manager, which closes it.

    All methods raise OSError, with the kernel's own words where it has some.
    """

    __slots__ = ("_sequence", "_socket")

    def __init__(self) -> None:
        """One of the caller's network namespace."""
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
        try:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
            self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise

    @classmethod
    def inside(cls, namespace: int) -> "Rtnetlink":
        """One of the network namespace with that descriptor.  Raises OSError, and PyruncError without threads."""
        made: "list[Rtnetlink]" = []
        failed: "list[BaseException]" = []

        def enter() -> None:
            try:
                syscalls.setns(namespace, CLONE_NEWNET)
                made.append(cls())
            except BaseException as error:  # noqa: BLE001 it is raised in the thread that waits
                failed.append(error)

        thread = threading.Thread(target=enter)
        try:
            thread.start()
        except RuntimeError as error:
            raise PyruncError(str(error), operation="start a thread") from error
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def index_of(self, name: str) -> "int | None":
        """The index of the device with that name (or alternative name); None when there is none."""
        body = LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_IFNAME, c_string(name))
        return self._find(body)

    def is_free(self, index: int) -> bool:
        """Whether no device has that index."""
        return self._find(LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)) is None

    def free_index(self, wanted: int) -> int:
        """An index that no device has: wanted if it can be, else one above all others."""
        if self.is_free(wanted):
            return wanted
        links = self._dump(RTM_GETLINK, LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        return 1 + max(int(LINK.unpack_from(body)[2]) for body in links)

    def addresses(self, index: int) -> "list[Address]":
        """The permanent addresses of global scope that the device has, of all families."""
        found = []
        for body in self._dump(RTM_GETADDR, ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, index)):
            family, prefix_length, flags, scope, owner = ADDRESS.unpack_from(body)
            attributes = attributes_of(body[ADDRESS.size :])
            if IFA_FLAGS in attributes:
                flags = int.from_bytes(attributes[IFA_FLAGS], byteorder)
            if owner == index and scope == RT_SCOPE_UNIVERSE and flags & IFA_F_PERMANENT:
                kept = {kind: attributes[kind] for kind in KEPT_ATTRIBUTES if kind in attributes}
                found.append(Address(family, prefix_length, flags & KEPT_FLAGS, kept))
        return found

    def move(self, index: int, namespace: int, new_index: int, new_name: str) -> None:
        """Moves the device to another network namespace; new_name "" is the present one, and may have one %d.

        It is down then, without addresses.  A name that somebody takes at this very moment is an error with the
        device moved already.
        """
        body = LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        body += attribute(IFLA_NET_NS_FD, namespace.to_bytes(4, byteorder))
        body += attribute(IFLA_NEW_IFINDEX, new_index.to_bytes(4, byteorder))
        if new_name:
            body += attribute(IFLA_IFNAME, c_string(new_name))
        self._ask(RTM_NEWLINK, NLM_F_ACK, body)

    def add_address(self, index: int, address: Address) -> None:
        """Gives an address to a device."""
        body = ADDRESS.pack(address.family, address.prefix_length, 0, RT_SCOPE_UNIVERSE, index)
        body += attribute(IFA_FLAGS, address.flags.to_bytes(4, byteorder))
        for kind, payload in address.attributes.items():
            body += attribute(kind, payload)
        self._ask(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body)

    def set_up(self, index: int) -> None:
        """Brings a device up."""
        self._ask(RTM_NEWLINK, NLM_F_ACK, LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP))

    def _find(self, body: bytes) -> "int | None":
        try:
            answers = self._ask(RTM_GETLINK, NLM_F_ACK, body)
        except OSError as error:
            if error.errno == ENODEV:
                return None
            raise
        return int(LINK.unpack_from(answers[0])[2])

    def _dump(self, kind: int, body: bytes) -> "list[bytes]":
        """All objects of a kind; asked for again when they change meanwhile."""
        for _ in range(DUMP_ATTEMPTS):
            answers = self._ask(kind, NLM_F_DUMP, body)
            if answers is not INTERRUPTED:
                return answers
        raise SystemCallError(EAGAIN, "rtnetlink", detail="the devices do not stop changing")

    def _ask(self, kind: int, flags: int, body: bytes) -> "list[bytes]":
        """Sends a request and returns the bodies of the answers to it."""
        self._sequence += 1
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0) + body)
        answers: "list[bytes]" = []
        interrupted = False
        while True:
            for answer, bits, sequence, payload in messages_of(self._socket.recv(LARGEST_ANSWER)):
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(bits & NLM_F_DUMP_INTR)
                if answer in (NLMSG_ERROR, NLMSG_DONE):
                    raise_error(payload, bits, answer)
                    return INTERRUPTED if interrupted else answers
                answers.append(payload)

    def __enter__(self) -> "Rtnetlink":
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()


def messages_of(data: bytes) -> "Iterator[tuple[int, int, int, bytes]]":
    """The messages of a datagram: (type, flags, sequence, body)."""
    while len(data) >= HEADER.size:
        length, kind, flags, sequence, _port = HEADER.unpack_from(data)
        yield kind, flags, sequence, data[HEADER.size : length]
        data = data[aligned(length) :]


def raise_error(payload: bytes, flags: int, kind: int) -> None:
    """Raises OSError for what an NLMSG_ERROR or NLMSG_DONE tells; their number is 0 for success."""
    number = -int.from_bytes(payload[:4], byteorder, signed=True) if payload else 0
    if number <= 0:
        return
    words = ""
    if flags & NLM_F_ACK_TLVS:
        rest = payload[4:]
        if kind == NLMSG_ERROR:  # the request, or its header only, is between
            length = HEADER.size if flags & NLM_F_CAPPED else HEADER.unpack_from(rest)[0]
            rest = rest[aligned(length) :]
        words = attributes_of(rest).get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode("utf-8", "replace")
    raise SystemCallError(number, "rtnetlink", detail=words)


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    length = ATTRIBUTE.size + len(payload)
    return ATTRIBUTE.pack(length, kind) + payload + bytes(aligned(length) - length)


def attributes_of(data: bytes) -> "dict[int, bytes]":
    """The attributes in a body, by their type."""
    found = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            break
        found[kind & NLA_TYPE_MASK] = data[ATTRIBUTE.size : length]
        data = data[aligned(length) :]
    return found


def aligned(length: int) -> int:
    """The length up to the next multiple of four."""
    return -(-length // 4) * 4


def c_string(text: str) -> bytes:
    """A name as the kernel takes it."""
    return os.fsencode(text) + b"\0"
