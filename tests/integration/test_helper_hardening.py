"""What others find when they look at pyrunc-init: nothing to read, to write to, or to follow out of the container."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from errno import EACCES
from pathlib import Path

import pytest

from pyrunc import helper, launch, syscalls
from pyrunc.helper import Channel, HelperError, message
from pyrunc.launch import HELPER_PATH, sealed_copy
from pyrunc.namespaces import CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, NamespacePlan
from tests.support import processes
from tests.support.bundles import BundleFactory
from tests.support.protocol import RealHelper, smallest
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

NOBODY = 65534


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open: number and target."""
    return {int(name): os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}


@pytest.fixture
def created(pyrunc: Pyrunc, bundle: BundleFactory) -> Callable[[str], tuple[str, int]]:
    """created(script) creates a container and gives its id and pid."""

    def create(script: str = "exit 0") -> tuple[str, int]:
        container_id, _ = pyrunc.create(bundle(script))
        return container_id, pyrunc.state(container_id)["pid"]

    return create


def test_descriptors_before_the_set_up() -> None:
    """stdio, the socket to the runtime, and procfs by a handle that cannot be read; nothing else that the caller has,
    not even what it wants its children to have."""
    with open("/etc/passwd") as file:
        os.set_inheritable(file.fileno(), True)
        with RealHelper() as init:
            init.channel.send(helper.PREPARE)
            init.channel.receive(helper.PREPARED)
            found = init.descriptors()
            flags = int(Path(f"/proc/{init.pid}/fdinfo/4").read_text().split()[3], 8)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert found[3].startswith("socket:")
    assert found[4] == "/proc"
    assert flags & os.O_PATH


def test_descriptors_of_a_created_container(created: Callable[[], tuple[str, int]]) -> None:
    """stdio and the socket on which it waits; nothing that leads to a file of the host's."""
    _, pid = created()
    found = descriptors(pid)
    (listener,) = set(found) - {0, 1, 2}
    assert found[listener].startswith("socket:")
    for name in ("root", "cwd"):
        assert not os.path.samestat(os.stat(f"/proc/{pid}/{name}"), os.stat("/"))


def test_memory_of_a_created_container(created: Callable[[], tuple[str, int]]) -> None:
    """At most 1 MB (PSS)."""
    _, pid = created()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (kib,) = (int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert 0 < kib <= 1024


def test_created_container_cannot_be_looked_into(created: Callable[[], tuple[str, int]]) -> None:
    """It is not dumpable while it waits: files of /proc/PID belong to root."""
    _, pid = created()
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    assert os.stat(f"/proc/{pid}/fd").st_mode & 0o077 == 0


@pytest.fixture
def as_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], str]:
    """as_nobody(function) calls it in a fork that is an ordinary user; what it gave back, as text."""
    program = folder / "pyrunc-init"
    shutil.copy(HELPER_PATH, program)
    monkeypatch.setattr(launch, "HELPER_PATH", str(program))

    def call(function: Callable[[], object]) -> str:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                os.write(write, repr(function()).encode())
            except BaseException as error:  # noqa: BLE001 a fork of pytest's must not return into pytest
                os.write(write, repr(error).encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read) as pipe:
            result = pipe.read()
        os.waitpid(child, 0)
        return result

    return call


LOOKS = ("mem", "environ", "fd", "exe", "cwd", "ns/uts")


def look_into(pid: int) -> list[int]:
    """The owner of its files, and what looking into it fails with."""
    return [os.stat(f"/proc/{pid}/environ").st_uid, *[errno_of(f"/proc/{pid}/{name}") for name in LOOKS]]


CLOSED = [0, *[EACCES] * len(LOOKS)]
OPEN = [NOBODY, *[0] * len(LOOKS)]


def test_its_own_user_cannot_look_into_it(as_nobody: Callable[[Callable[[], object]], str]) -> None:
    """An ordinary user's helper, and the same user: neither memory nor descriptors, from the beginning."""

    def look() -> list[int]:
        with RealHelper() as init:
            init.channel.send(helper.PREPARE)
            init.channel.receive(helper.PREPARED)
            return look_into(init.pid)

    assert as_nobody(look) == repr(CLOSED)


def test_dumpable_until_the_set_up(as_nobody: Callable[[Callable[[], object]], str]) -> None:
    """TAG_DUMPABLE: an ordinary user writes the maps of its own namespace and joins it, and that is all."""
    maps = [(0, NOBODY, 1)]
    plan = NamespacePlan(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWPID, [], maps, maps, [])

    def look() -> list[list[int]]:
        with RealHelper() as init:
            init.helper.enter(plan, [], (helper.record(helper.TAG_DUMPABLE),))
            seen = [look_into(init.helper.pid)]
            smallest().send(init.channel)
            init.channel.receive(helper.READY)
            return [*seen, look_into(init.helper.pid)]

    assert as_nobody(look) == repr([OPEN, CLOSED])


def test_not_dumpable_in_a_joined_user_namespace(as_nobody: Callable[[Callable[[], object]], str]) -> None:
    """TAG_DUMPABLE has no effect where somebody hostile may be already."""
    maps = [(0, NOBODY, 1)]
    making = NamespacePlan(CLONE_NEWUSER, [], maps, maps, [])
    dumpable = (helper.record(helper.TAG_DUMPABLE),)

    def look() -> list[int]:
        with RealHelper() as holder, RealHelper() as init:
            holder.helper.enter(making, [], dumpable)
            namespace = os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            init.helper.enter(NamespacePlan(0, [], [], [], []), [(CLONE_NEWUSER, namespace)], dumpable)
            return look_into(init.pid)

    assert as_nobody(look) == repr(CLOSED)


def errno_of(path: str) -> int:
    """What opening a file for reading fails with, 0 if it does not."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return error.errno or -1
    return 0


def test_executable_cannot_be_overwritten(created: Callable[[], tuple[str, int]]) -> None:
    """/proc/PID/exe leads to a read-only clone, while it runs and from a handle kept beyond its end
    (CVE-2019-5736)."""
    before = Path(HELPER_PATH).read_bytes()
    _, pid = created()
    with pytest.raises(OSError, match=r"(Text file busy|Read-only file system)"):
        os.open(f"/proc/{pid}/exe", os.O_WRONLY)
    handle = os.open(f"/proc/{pid}/exe", os.O_PATH)
    try:
        os.kill(pid, signal.SIGKILL)
        processes.wait_gone(pid)
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
            with pytest.raises(OSError, match="Read-only file system"):
                os.open(f"/proc/self/fd/{handle}", flags)
    finally:
        os.close(handle)
    assert Path(HELPER_PATH).read_bytes() == before


def test_sealed_copy_cannot_be_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where mounts cannot be cloned: a copy in memory that nobody can change."""
    monkeypatch.setattr(launch, "open_helper", sealed_copy)
    with RealHelper() as init:
        smallest("/bin/true").send(init.channel)
        init.channel.receive(helper.READY)
        assert os.readlink(f"/proc/{init.pid}/exe") == "/memfd:pyrunc-init (deleted)"
        handle = os.open(f"/proc/{init.pid}/exe", os.O_PATH)
    try:
        with open(f"/proc/self/fd/{handle}", "rb") as copy:
            assert copy.read() == Path(HELPER_PATH).read_bytes()
        fd = os.open(f"/proc/self/fd/{handle}", os.O_RDWR)
        try:
            for change in (lambda: os.write(fd, b"x"), lambda: os.ftruncate(fd, 0), lambda: os.ftruncate(fd, 1 << 22)):
                with pytest.raises(PermissionError):
                    change()
        finally:
            os.close(fd)
    finally:
        os.close(handle)


@pytest.fixture
def strangers() -> Iterator[list[int]]:
    """Descriptors to pass along."""
    fds = [os.open("/", os.O_PATH) for _ in range(20)]
    yield fds
    for fd in fds:
        os.close(fd)


def test_strangers_at_the_start_socket(
    pyrunc: Pyrunc, created: Callable[[str], tuple[str, int]], strangers: list[int]
) -> None:
    """Rubbish, other versions, other messages and descriptors: answered, nothing kept, and start works after that."""
    container_id, pid = created("echo started")
    before = descriptors(pid)
    start = message(helper.START)
    offers = [
        b"",
        b"x",
        b"GET / HTTP/1.0\r\n\r\n",
        start[:4] + b"\2\0" + start[6:],
        start[:12] + helper.u32(20),
        message(helper.SETUP, smallest().records),
        message(helper.PREPARE, [], 20),
        message(helper.START, [], 20),
        start[:8] + helper.u32(helper.MAX_SIZE) + start[12:] + b"short",
    ]
    folder = os.open(pyrunc.root / container_id, os.O_PATH)
    try:
        for offer in offers:
            channel = Channel(syscalls.unix_connect(folder, "start.sock"))
            try:
                if offer:
                    syscalls.send(channel.fd, offer, strangers)
                if len(offer) >= helper.HEADER_SIZE and not offer.endswith(b"short"):
                    with pytest.raises(HelperError, match=r"message: (not understood|out of turn)"):
                        channel.receive()
            finally:
                channel.close()
    finally:
        os.close(folder)
    processes.wait_until(lambda: descriptors(pid) == before, "the descriptors to be as before")
    pyrunc.ok("start", container_id)
    pyrunc.wait_status(container_id, "stopped")


def test_start_of_another_version_is_an_error(pyrunc: Pyrunc, created: Callable[[], tuple[str, int]]) -> None:
    """It does not look like a start that went well."""
    container_id, _ = created()
    folder = os.open(pyrunc.root / container_id, os.O_PATH)
    channel = Channel(syscalls.unix_connect(folder, "start.sock"))
    try:
        start = message(helper.START)
        syscalls.send(channel.fd, start[:4] + b"\2\0" + start[6:])
        with pytest.raises(HelperError, match="not understood"):
            channel.ended()
    finally:
        channel.close()
        os.close(folder)
    assert pyrunc.state(container_id)["status"] == "created"
