"""The real pyrunc-init at the other end: what it answers, what it refuses, how it ends."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc import helper, syscalls
from pyrunc.errors import PyruncError
from pyrunc.helper import HelperError, message, record, text, u32
from pyrunc.namespaces import CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS
from pyrunc.setup import Setup
from tests.support.protocol import RealHelper, smallest

pytestmark = pytest.mark.root


@pytest.fixture
def init() -> Iterator[RealHelper]:
    """A helper that waits for its first order, in the tests' own namespaces."""
    with RealHelper() as running:
        yield running


def refused(init: RealHelper, reason: str) -> None:
    """The helper says why, and ends."""
    with pytest.raises(HelperError, match=reason):
        init.channel.receive()
    assert init.has_ended() == 1


def test_a_whole_life(init: RealHelper) -> None:
    """SETUP, READY, START, and the program's own exit status."""
    smallest("/bin/sh", "-c", "exit 7").send(init.channel)
    init.channel.receive(helper.READY)
    init.channel.send(helper.START)
    init.channel.ended()
    assert init.has_ended() == 7


OUT_OF_TURN: dict[str, tuple[int, list[bytes]]] = {
    "start": (helper.START, []),
    "continue": (helper.CONTINUE, []),
    "an answer": (helper.READY, []),
    "type 0": (0, []),
    "type 65535": (65535, []),
}


@pytest.mark.parametrize("name", OUT_OF_TURN)
def test_out_of_turn(init: RealHelper, name: str) -> None:
    """No order of these comes first."""
    kind, records = OUT_OF_TURN[name]
    init.channel.send(kind, records)
    refused(init, "out of turn")


def test_join_comes_first_or_not_at_all(init: RealHelper) -> None:
    """After it, or after PREPARE, it is refused."""
    init.channel.send(helper.JOIN)
    init.channel.receive(helper.JOINED)
    init.channel.send(helper.JOIN)
    refused(init, "out of turn")


def test_join_after_prepare(init: RealHelper) -> None:
    """What was prepared was prepared where it is."""
    init.channel.send(helper.PREPARE)
    init.channel.receive(helper.PREPARED)
    init.channel.send(helper.JOIN)
    refused(init, "out of turn")


def test_setup_twice(init: RealHelper) -> None:
    """After READY there is only START."""
    for _ in range(2):
        smallest().send(init.channel)
    init.channel.receive(helper.READY)
    refused(init, "out of turn")


def test_descriptors_where_none_belong(init: RealHelper) -> None:
    """PREPARE takes one for each TAG_TASKS."""
    init.channel.send(helper.PREPARE, [], [0])
    refused(init, "malformed")


RUBBISH = {
    "magic": b"GET / HTTP/1.0\r\n\r\n",
    "version": message(helper.PREPARE)[:4] + b"\2\0" + message(helper.PREPARE)[6:],
    "size": message(helper.PREPARE)[:8] + u32(0xFFFFFFFC) + u32(0),
    "descriptors that are not there": message(helper.PREPARE)[:12] + u32(3),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_not_understood(init: RealHelper, name: str) -> None:
    """What is not a message of this version is answered, and the helper ends."""
    syscalls.send(init.channel.fd, RUBBISH[name])
    refused(init, "message: not understood")


RECORDS = {
    "join without descriptor": (helper.JOIN, [record(helper.TAG_JOIN, u32(CLONE_NEWUTS))], "join"),
    "join of no number": (helper.JOIN, [record(helper.TAG_NEW, b"x")], "new"),
    "unknown record of join": (helper.JOIN, [record(helper.TAG_ARG, text("x"))], "unknown record"),
    "cut record of join": (helper.JOIN, [u32(helper.TAG_NEW, 400)], "malformed"),
    "half a mask of capabilities": (helper.JOIN, [record(helper.TAG_KEEP, u32(1))], "keep"),
    "no mask of capabilities": (helper.PREPARE, [record(helper.TAG_KEEP)], "keep"),
    "unknown record of prepare": (helper.PREPARE, [record(helper.TAG_ARG, text("x"))], "unknown record"),
    "cut record of prepare": (helper.PREPARE, [u32(helper.TAG_PROC, 4)], "malformed"),
    "empty set-up": (helper.SETUP, [], "record 051"),
    "cut record of the set-up": (helper.SETUP, [u32(helper.TAG_CWD, 4)], "record 000"),
    "option of procfs with three parts": (
        helper.PREPARE,
        [record(helper.TAG_PROC), record(helper.TAG_PROC_OPTION, b"a\0b\0c\0")],
        "fsconfig proc: protocol error",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records(init: RealHelper, name: str) -> None:
    """Records that are wrong, or of another message."""
    kind, records, reason = RECORDS[name]
    init.channel.send(kind, records)
    refused(init, reason)


def test_namespace_descriptor_without_record(init: RealHelper) -> None:
    """Each descriptor is for something."""
    init.channel.send(helper.JOIN, [], [0])
    refused(init, "malformed")


def test_runtime_gone(init: RealHelper) -> None:
    """The end of the channel is the end of the helper, whatever it waits for."""
    init.channel.close()
    assert init.has_ended() == 1


def test_runtime_gone_before_start(init: RealHelper) -> None:
    """Also when it is ready: nobody could start it any more."""
    smallest().send(init.channel)
    init.channel.receive(helper.READY)
    init.channel.close()
    assert init.has_ended() == 1


def test_runtime_gone_within_a_message(init: RealHelper) -> None:
    """Half a message is none."""
    data = message(helper.SETUP, smallest().records)
    syscalls.send(init.channel.fd, data[:30])
    init.channel.close()
    assert init.has_ended() == 1


def test_killed(init: RealHelper) -> None:
    """Somebody else ends it (the kernel, for want of memory): the error says so, now and at each later order."""
    os.kill(init.pid, signal.SIGKILL)
    with pytest.raises(PyruncError, match="was killed before it was ready"):
        init.channel.receive(helper.READY)
    with pytest.raises(PyruncError, match="was killed before it was ready"):
        init.channel.send(helper.PREPARE)


def test_killed_between_ready_and_start(init: RealHelper) -> None:
    """A start that nobody read is no start."""
    smallest().send(init.channel)
    init.channel.receive(helper.READY)
    os.kill(init.pid, signal.SIGSTOP)
    init.channel.send(helper.START)
    os.kill(init.pid, signal.SIGKILL)
    with pytest.raises(PyruncError, match="was killed"):
        init.channel.ended()


def test_no_such_program(init: RealHelper) -> None:
    """Found out before READY."""
    smallest("/nonexistent").send(init.channel)
    refused(init, 'exec: "/nonexistent": stat /nonexistent: no such file or directory')


def test_program_that_may_not_run(init: RealHelper) -> None:
    """So is this."""
    smallest("/etc/passwd").send(init.channel)
    with pytest.raises(HelperError, match="permission denied"):
        init.channel.receive(helper.READY)


def test_program_that_is_none(init: RealHelper, folder: Path) -> None:
    """What only execve(2) finds out reaches whoever sent START."""
    program = folder / "program"
    program.write_text("#!/nonexistent\n")
    program.chmod(0o755)
    smallest(str(program)).send(init.channel)
    init.channel.receive(helper.READY)
    init.channel.send(helper.START)
    with pytest.raises(
        HelperError, match=f'exec: "{program}": the interpreter /nonexistent: no such file or directory'
    ):
        init.channel.ended()


def test_procfs_of_its_own_pid_namespace() -> None:
    """PREPARE sends back a detached procfs in which the helper is process 1."""
    with RealHelper(CLONE_NEWPID | CLONE_NEWNS) as init:
        options = [record(helper.TAG_PROC_OPTION, text("hidepid") + text("invisible"))]
        init.channel.send(helper.PREPARE, [record(helper.TAG_PROC), *options])
        (fd,) = init.channel.receive(helper.PREPARED)[2]
        try:
            root = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)  # a mount's own is like O_PATH
            try:
                assert [name for name in os.listdir(root) if name.isdigit()] == ["1"]
            finally:
                os.close(root)
        finally:
            os.close(fd)


@pytest.mark.parametrize(
    "name", ["../self/oom_score_adj", "kernel/../../self/oom_score_adj", "/proc/self/oom_score_adj"]
)
def test_sysctls_stay_below_proc_sys(name: str) -> None:
    """Whatever the name says."""
    with RealHelper(CLONE_NEWIPC | CLONE_NEWUTS) as init:
        setup = smallest()
        setup.add_sysctl(name, "1")
        setup.send(init.channel)
        refused(init, "write sysctl.*invalid cross-device link")


@pytest.mark.parametrize("label", ["user:role:type:s0", "../exec"])
def test_the_keyrings_label_is_the_kernels_to_take(init: RealHelper, label: str) -> None:
    """Where no SELinux policy knows it, it is refused, and said so: never a keyring with another label."""
    setup = smallest()
    setup.add_keyring("c1", label)
    setup.send(init.channel)
    refused(init, f'label the session keyring: "{label}": invalid argument')


def test_a_keyring_without_a_label(init: RealHelper) -> None:
    """Nothing is asked of SELinux then."""
    setup = smallest("/bin/true")
    setup.add_keyring("c1", "")
    setup.send(init.channel)
    init.channel.receive(helper.READY)


def test_sysctl_is_set() -> None:
    """And a right one is written, in the helper's namespace."""
    with RealHelper(CLONE_NEWIPC | CLONE_NEWUTS) as init:
        setup: Setup = smallest("/bin/sh", "-c", 'test "$(cat /proc/sys/kernel/shmmni)" = 1234')
        setup.add_sysctl("kernel/shmmni", "1234")
        setup.send(init.channel)
        init.channel.receive(helper.READY)
        init.channel.send(helper.START)
        init.channel.ended()
        assert init.has_ended() == 0


def test_closed_stdin(init: RealHelper) -> None:
    """A caller without descriptors 0 to 2: they are /dev/null, not whatever is opened next."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(write, 20)
            os.closerange(0, 3)
            with RealHelper() as other:
                other.channel.send(helper.PREPARE)
                other.channel.receive(helper.PREPARED)
                os.write(20, repr(sorted(other.descriptors().items())[:3]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        assert pipe.read() == "[(0, '/dev/null'), (1, '/dev/null'), (2, '/dev/null')]"
    os.waitpid(pid, 0)
