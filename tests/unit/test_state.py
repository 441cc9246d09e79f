"""The state directory: files in it, its lock, many processes at once."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunc import record
from pyrunc.errors import ContainerNotFound, PyruncError, UnusableState
from pyrunc.record import Record
from pyrunc.state import PROCESS_FILE, STATE_FILE, StateDirectory
from pyrunc.state_root import container_ids
from tests.support.foreign import SPOIL, give_away, open_to_all, open_to_group, put_fifo, put_link
from tests.support.forks import finish, start


@pytest.fixture
def root(tmp_path: Path) -> str:
    return f"{tmp_path}/root"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> object:
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before


# One process


def test_create_write_read_remove(root: str) -> None:
    before = os.umask(0o077)
    try:
        directory = StateDirectory.create(root, "c", b"first")
    finally:
        os.umask(before)
    with directory:
        assert os.stat(f"{root}/c").st_mode & 0o7777 == 0o711
        assert directory.read(STATE_FILE) == b"first"
        directory.write(STATE_FILE, b"second" * 100_000)
        assert directory.read(STATE_FILE) == b"second" * 100_000
        assert os.stat(f"{root}/c/state.json").st_mode & 0o7777 == 0o600
        assert os.listdir(f"{root}/c") == [STATE_FILE]
        assert directory.exists(STATE_FILE)
        assert not directory.exists("start.sock")
        directory.write("empty", b"")
        assert directory.read("empty") == b""
        directory.unlink("empty")
        directory.unlink("empty")
        assert not directory.exists("empty")
    with StateDirectory.open(root, "c") as directory:
        directory.remove()
    assert os.listdir(root) == []


def test_records(root: str) -> None:
    with StateDirectory.create(root, "c", record.Record(id="c").dump()) as directory:
        state = directory.load()
        state.pid = 7
        directory.save(state)
    with StateDirectory.open(root, "c", lock=False) as directory:
        assert directory.load().pid == 7


def test_a_missing_file_is_told_by_its_errno(root: str) -> None:
    with StateDirectory.create(root, "c") as directory:
        with pytest.raises(PyruncError, match=f"read {root}/c/nothing: no such file or directory") as caught:
            directory.read("nothing")
        assert caught.value.errno == 2
        with pytest.raises(ContainerNotFound, match=r"^container does not exist$") as not_found:
            directory.load()
        assert "delete --force c" in not_found.value.hint


def test_a_link_is_not_followed(root: str, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    with StateDirectory.create(root, "c") as directory:
        for name in (STATE_FILE, f".{STATE_FILE}.new"):
            os.symlink(tmp_path / "victim", f"{root}/c/{name}")
        with pytest.raises(UnusableState, match=r"state.json: it is a symbolic link$"):
            directory.read(STATE_FILE)
        directory.write(STATE_FILE, b"new")
        assert directory.read(STATE_FILE) == b"new"
    assert (tmp_path / "victim").read_text() == "untouched"
    os.symlink(tmp_path, f"{root}/link")
    with pytest.raises(ContainerNotFound):
        StateDirectory.open(root, "link")


@pytest.mark.root
@pytest.mark.parametrize("name", [STATE_FILE, PROCESS_FILE, "config.json"])
@pytest.mark.parametrize("spoil", SPOIL)
def test_what_is_not_ours_alone_is_refused(spoil: Callable[[Path], None], name: str, root: str) -> None:
    with StateDirectory.create(root, "c", Record(id="c").dump()) as directory:
        directory.write_config(b"{}", {})
        directory.note_process(1, 2)
        spoil(Path(root, "c", name))
        with pytest.raises(UnusableState, match=rf"{name}: it {SPOIL[spoil]}"):
            directory.read(name)
        if name != "config.json":
            with pytest.raises(UnusableState, match=rf"{name}: it {SPOIL[spoil]}"):
                directory.load()
        if name == PROCESS_FILE and spoil not in (put_link, put_fifo):
            with pytest.raises(UnusableState, match=rf"{name}: it {SPOIL[spoil]}"):
                directory.note_created()


@pytest.mark.root
@pytest.mark.parametrize("spoil", [give_away, open_to_group, open_to_all])
def test_a_directory_that_is_not_ours_alone_is_refused(spoil: Callable[[Path], None], root: str) -> None:
    StateDirectory.create(root, "c").close()
    spoil(Path(root, "c"))
    for lock in (True, False):
        with pytest.raises(UnusableState, match=rf"{root}/c: it {SPOIL[spoil]}"):
            StateDirectory.open(root, "c", lock=lock)


def test_remove_follows_no_link_and_takes_folders(root: str, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    with StateDirectory.create(root, "c", b"x") as directory:
        os.symlink(tmp_path / "kept", f"{root}/c/link")
        os.makedirs(f"{root}/c/a/b/c")
        os.symlink(tmp_path / "kept", f"{root}/c/a/b/link")
        os.mkfifo(f"{root}/c/a/fifo")
        directory.remove()
    assert os.listdir(root) == []
    assert (tmp_path / "kept/file").exists()


def test_remove_of_what_is_half_gone(root: str) -> None:
    with StateDirectory.create(root, "c", b"x") as directory:
        os.unlink(f"{root}/c/state.json")
        os.rmdir(f"{root}/c")
        directory.remove()
    with StateDirectory.create(root, "c", b"x") as directory:
        os.rename(f"{root}/c", f"{root}/other")
        os.mkdir(f"{root}/c")
        directory.remove()  # only its own contents: the name is another's now
    assert sorted(os.listdir(root)) == ["c", "other"]


@pytest.mark.parametrize("lock", [True, False])
def test_what_does_not_exist(root: str, lock: bool) -> None:
    for _ in range(2):
        with pytest.raises(ContainerNotFound, match=r"^container does not exist$") as caught:
            StateDirectory.open(root, "c", lock=lock)
        assert caught.value.hint == f"there is no container c in {root}"
        os.makedirs(root, exist_ok=True)
    Path(f"{root}/file").touch()
    for id in ("file", "x" * 300):
        with pytest.raises(ContainerNotFound):
            StateDirectory.open(root, id, lock=lock)


def test_what_exists_already(root: str) -> None:
    StateDirectory.create(root, "c", b"x").close()
    with pytest.raises(PyruncError) as caught:
        StateDirectory.create(root, "c", b"y")
    assert str(caught.value) == f"create {root}/c: container with given ID already exists"
    assert Path(f"{root}/c/state.json").read_text() == "x"


@pytest.mark.parametrize("id", ["", ".", "..", "../c", "a/b", ".c", "/etc"])
def test_wrong_ids_touch_nothing(root: str, tmp_path: Path, id: str) -> None:
    for function in (StateDirectory.create, StateDirectory.open):
        with pytest.raises(PyruncError, match=r"invalid container ID format|container id cannot be empty"):
            function(root, id)
    assert os.listdir(tmp_path) == []


def test_an_id_that_the_file_system_cannot_hold(root: str) -> None:
    with pytest.raises(PyruncError, match="file name too long"):
        StateDirectory.create(root, "x" * 1024)
    assert os.listdir(root) == []


# Many processes


def test_of_many_creators_one_wins(root: str) -> None:
    gate_r, gate_w = os.pipe2(os.O_CLOEXEC)

    def create() -> None:
        os.read(gate_r, 1)
        try:
            StateDirectory.create(root, "c", str(os.getpid()).encode())
        except PyruncError as error:
            os._exit(3 if "container with given ID already exists" in str(error) else 4)

    pids = [start(create) for _ in range(20)]
    os.write(gate_w, b"x" * 20)
    os.close(gate_r)
    os.close(gate_w)
    codes = {pid: finish(pid) for pid in pids}
    assert sorted(codes.values()) == [0] + [3] * 19
    winner = next(pid for pid, code in codes.items() if code == 0)
    assert Path(f"{root}/c/state.json").read_text() == str(winner)


def test_the_lock_keeps_writers_apart(root: str) -> None:
    StateDirectory.create(root, "c", b"0").close()

    def count() -> None:
        for _ in range(10):
            with StateDirectory.open(root, "c") as directory:
                number = int(directory.read(STATE_FILE))
                time.sleep(0.0005)
                directory.write(STATE_FILE, str(number + 1).encode())

    pids = [start(count) for _ in range(8)]
    assert [finish(pid) for pid in pids] == [0] * 8
    assert Path(f"{root}/c/state.json").read_text() == "80"


def test_readers_without_the_lock_see_whole_files(root: str) -> None:
    contents = [bytes([letter]) * 50_000 for letter in b"abc"]
    stop = time.monotonic() + 0.5

    def read() -> None:
        with StateDirectory.open(root, "c", lock=False) as directory:
            while time.monotonic() < stop:
                assert directory.read(STATE_FILE) in contents

    with StateDirectory.create(root, "c", contents[0]) as directory:
        readers = [start(read) for _ in range(2)]
        while time.monotonic() < stop:
            for data in contents:
                directory.write(STATE_FILE, data)
    assert [finish(pid) for pid in readers] == [0, 0]


def test_who_waits_in_vain_learns_who_holds_the_lock(root: str) -> None:
    with StateDirectory.create(root, "c", b"x"):
        begin = time.monotonic()
        with pytest.raises(PyruncError, match=r"container c is locked by process \d+ \(.*python") as caught:
            StateDirectory.open(root, "c", timeout=0.1)
        assert 0.1 <= time.monotonic() - begin < 2
        assert f"process {os.getpid()} (" in caught.value.reason
        assert "(waited 0.1 s)" in caught.value.reason
        # Reading needs no lock.
        StateDirectory.open(root, "c", lock=False).close()


def test_the_lock_is_had_soon_after_it_is_given_up(root: str) -> None:
    directory = StateDirectory.create(root, "c", b"x")
    timer = threading.Timer(0.2, directory.close)
    timer.start()
    begin = time.monotonic()
    StateDirectory.open(root, "c").close()
    assert 0.15 < time.monotonic() - begin < 1
    timer.join()


def test_the_lock_dies_with_its_holder(root: str) -> None:
    reading, writing = os.pipe2(os.O_CLOEXEC)

    def hold() -> None:
        StateDirectory.create(root, "c", b"x")
        os.write(writing, b"x")
        time.sleep(60)

    pid = start(hold)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.close(writing)
    os.kill(pid, signal.SIGKILL)
    assert finish(pid) == -signal.SIGKILL
    StateDirectory.open(root, "c", timeout=1).close()


def test_a_fork_neither_gives_up_the_lock_nor_keeps_it(root: str) -> None:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    directory = StateDirectory.create(root, "c", b"x")

    def close_and_stay() -> None:
        directory.close()
        os.close(writing)
        os.read(reading, 1)

    def stay() -> None:
        os.close(writing)
        os.read(reading, 1)

    closer = start(close_and_stay)
    holder = start(stay)
    with pytest.raises(PyruncError, match="is locked by"):
        StateDirectory.open(root, "c", timeout=0.1)
    directory.close()
    StateDirectory.open(root, "c", timeout=0.1).close()
    os.close(writing)
    assert [finish(closer), finish(holder)] == [0, 0]
    os.close(reading)


def waiting_for_lock(root: str, expected: bytes) -> int:
    """A process that opens container c, which is locked, and wants to find expected there ("": nothing)."""

    def wait() -> None:
        try:
            with StateDirectory.open(root, "c", timeout=10) as directory:
                assert directory.read(STATE_FILE) == expected
        except ContainerNotFound:
            assert expected == b""

    pid = start(wait)
    time.sleep(0.1)
    return pid


def test_a_container_deleted_while_we_wait_is_not_found(root: str) -> None:
    with StateDirectory.create(root, "c", b"x") as directory:
        waiter = waiting_for_lock(root, b"")
        directory.remove()
    assert finish(waiter) == 0


def test_a_container_made_again_while_we_wait_is_the_new_one(root: str) -> None:
    first = StateDirectory.create(root, "c", b"first")
    waiter = waiting_for_lock(root, b"second")
    os.unlink(f"{root}/c/state.json")
    os.rmdir(f"{root}/c")
    StateDirectory.create(root, "c", b"second").close()
    first.close()
    assert finish(waiter) == 0


def test_create_and_delete_by_many_leave_nothing(root: str) -> None:
    def churn() -> None:
        for _ in range(30):
            try:
                StateDirectory.create(root, "c", b"x").close()
            except PyruncError as error:
                if "already exists" not in str(error):
                    raise
            try:
                with StateDirectory.open(root, "c") as directory:
                    directory.remove()
            except ContainerNotFound:
                continue

    pids = [start(churn) for _ in range(6)]
    assert [finish(pid) for pid in pids] == [0] * 6
    assert container_ids(root) == []
