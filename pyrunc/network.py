"""linux.netDevices (config-linux.md, "Network devices"): devices of the runtime's network namespace that become the
container's.

They are moved when the file system stands and before the hooks that may want to see them, so that what can go wrong
has gone wrong by then: a device that has been moved is never moved back.  Until one is moved nothing has changed.
"""

import posix
from contextlib import contextmanager

from pyrunc.errors import PyruncError, from_os_error
from pyrunc.rtnetlink import Rtnetlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


class NetDevice:
    """A device to move: its present name, and the one to have then, where one %d is a number for the kernel to choose.

    Who moves it calls check() first.
    """

    __slots__ = ("name", "new_name")

    def __init__(self, name: str, new_name: str) -> None:
        self.name = name
        self.new_name = new_name

    @property
    def place(self) -> str:
        """Where in config.json it was asked for."""
        return f"linux.netDevices['{self.name}']"

    def describe(self) -> str:
        """One line: what move() will do."""
        return f"move network device {self.name}" + (f" as {self.new_name}" if self.new_name != self.name else "")

    def check(self, outside: Rtnetlink, inside: Rtnetlink) -> None:
        """Raises PyruncError when it is not there, or when its new name is taken."""
        if outside.index_of(self.name) is None:
            raise PyruncError("there is no such device", hint="devices are those of the runtime's network namespace")
        if "%d" not in self.new_name and inside.index_of(self.new_name) is not None:
            hint = f'another "name" helps, also one with a number for the kernel to choose, like {self.new_name[:13]}%d'
            raise PyruncError(f"the container has a device {self.new_name} already", hint=hint)

    def move(self, outside: Rtnetlink, inside: Rtnetlink, namespace: int) -> None:
        """Moves it, gives it the addresses that it had, and brings it up.  Raises OSError or PyruncError."""
        index = outside.index_of(self.name)
        if index is None:
            raise PyruncError("there is no such device")
        addresses = outside.addresses(index)
        new_index = inside.free_index(index)
        outside.move(index, namespace, new_index, self.new_name if self.new_name != self.name else "")
        for address in addresses:
            try:
                inside.add_address(new_index, address)
            except OSError as error:
                raise from_os_error(error, operation=f"{self.describe()}: keep address {address}") from error
        inside.set_up(new_index)


def plan_net_devices(devices: "Mapping[str, Any]", privileged: bool) -> "list[NetDevice]":
    """The devices of a checked linux.netDevices.  Raises PyruncError for a runtime without privileges."""
    if devices and not privileged:
        hint = "the devices of a host are root's; rootless engines make some of their own in the container"
        raise PyruncError(
            "network devices are not supported in rootless containers", place="linux.netDevices", hint=hint
        )
    return [NetDevice(name, device.get("name") or name) for name, device in devices.items()]


def move_all(devices: "list[NetDevice]", pid: int) -> None:
    """Moves all devices into the network namespace of the process, if all can be.  Raises PyruncError."""
    namespace = -1
    try:
        namespace = posix.open(f"/proc/{pid}/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
        with Rtnetlink() as outside, Rtnetlink.inside(namespace) as inside:
            for device in devices:
                with naming(device):
                    device.check(outside, inside)
            for device in devices:
                with naming(device):
                    device.move(outside, inside, namespace)
    except OSError as error:
        raise from_os_error(error, operation="move network devices", place="linux.netDevices") from error
    finally:
        if namespace >= 0:
            posix.close(namespace)


@contextmanager
def naming(device: NetDevice) -> "Iterator[None]":
    """Names the device in whatever goes wrong.  Raises PyruncError."""
    try:
        yield
    except PyruncError as error:
        raise error.at(device.describe(), device.place) from error
    except OSError as error:
        raise from_os_error(error, operation=device.describe(), place=device.place) from error
