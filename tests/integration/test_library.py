"""pyrunc as a library: many containers in one interpreter, from several threads, beside the program's own affairs."""

import gc
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunc.container import Container, list_containers
from pyrunc.errors import ContainerNotFound, PyruncError
from tests.support import leaks, processes
from tests.support.bundles import BundleFactory

pytestmark = pytest.mark.root


@pytest.fixture
def root(folder: Path) -> Iterator[str]:
    """A state root; what a failing test left in it is deleted."""
    path = str(folder / "containers")
    yield path
    for state in list_containers(path):
        Container(path, str(state["id"])).delete(force=True)


def name(number: object) -> str:
    """A container id of this run."""
    return f"{leaks.prefix()}library-{number}"


def own_cgroups() -> list[str]:
    return [path for path in leaks.cgroups() if leaks.prefix() + "library" in path]


def resident() -> int:
    """This process's memory, in kB, without what is shared."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError("no Private_Dirty")


def test_two_hundred(bundle: BundleFactory, root: str) -> None:
    """Created, started, waited for, deleted: nothing stays, and memory does not grow."""
    made = str(bundle(("/bin/sh", "-c", "exit 3")))
    mounted = leaks.mounts()

    def live(number: int) -> None:
        container = Container.create(root, name(number), made)
        container.start()
        assert container.wait() == 3
        assert container.status() == "stopped"
        container.delete()

    for number in range(20):
        live(number)
    gc.collect()
    before = (leaks.descriptors(), leaks.mounts(), processes.children(os.getpid()), threading.active_count())
    memory = resident()
    for number in range(20, 200):
        live(number)
    gc.collect()
    after = (leaks.descriptors(), leaks.mounts(), processes.children(os.getpid()), threading.active_count())
    assert {entry for entry in after[0] if "smaps" not in entry} == before[0]
    assert after[2:] == before[2:]
    assert not {mount for mount in after[1] - mounted if leaks.prefix() in mount}
    assert own_cgroups() == []
    assert leaks.listing(root) == []
    assert resident() - memory < 2048, "kB more after 180 containers"


def test_several_threads(bundle: BundleFactory, root: str) -> None:
    """Four threads, ten containers each, every second one with exec."""
    made = str(bundle("sleep 0.05; exit 4"))
    failures: list[BaseException] = []
    before = leaks.descriptors()

    def work(thread: int) -> None:
        try:
            for number in range(10):
                container = Container.create(root, name(f"{thread}-{number}"), made)
                if number % 2:
                    process = {"args": ["/bin/sh", "-c", "exit 5"], "cwd": "/", "env": ["PATH=/bin"]}
                    assert container.exec(process) == 5
                container.start()
                assert container.wait() == 4
                container.delete()
        except BaseException as error:  # noqa: BLE001 told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive()
    assert failures == []
    assert leaks.descriptors() == before
    assert own_cgroups() == []
    assert leaks.listing(root) == []


def test_two_alive_at_once(bundle: BundleFactory, root: str) -> None:
    made = str(bundle(("/bin/sleep", "1000")))
    one = Container.create(root, name("one"), made)
    two = Container.create(root, name("two"), made)
    two.start()
    assert (one.status(), two.status()) == ("created", "running")
    one.start()
    assert [state["id"] for state in list_containers(root)] == [name("one"), name("two")]
    one.kill(signal.SIGKILL)
    assert one.wait() == 137
    assert (one.status(), two.status()) == ("stopped", "running")
    two.delete(force=True)
    one.delete()
    assert list_containers(root) == []


def test_in_the_foreground_beside_other_children(bundle: BundleFactory, root: str) -> None:
    """Container.run waits for its own process and for no other; the program's signals and children are its own."""
    got: list[int] = []
    handlers = {
        number: signal.signal(number, lambda received, _frame: got.append(received))
        for number in (signal.SIGCHLD, signal.SIGUSR1)
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        quick, slow = subprocess.Popen(["sleep", "0.1"]), subprocess.Popen(["sleep", "1000"])
        try:
            handler = signal.getsignal(signal.SIGCHLD)
            assert Container.run(root, name("foreground"), str(bundle("sleep 0.3; exit 6"))) == 6
            assert signal.getsignal(signal.SIGCHLD) is handler
            assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
            assert quick.wait(1) == 0
            assert slow.poll() is None
        finally:
            slow.kill()
            slow.wait()
            quick.wait()
        assert signal.SIGCHLD in got
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signal.SIGUSR1 in got
    finally:
        for number, old in handlers.items():
            signal.signal(number, old)
    assert leaks.listing(root) == []


@pytest.mark.parametrize("how", ["ignored", "waited for by another thread"])
def test_a_program_that_takes_the_status_of_children(how: str, bundle: BundleFactory, root: str) -> None:
    """create, start and delete need no status of any child."""
    made = bundle(("/bin/sleep", "1000"))
    made.config["linux"]["namespaces"].append({"type": "time"})  # entered by a child of the helper
    made.save()
    stop = threading.Event()

    def reap() -> None:
        while not stop.is_set():
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass  # none just now
            time.sleep(0.0005)

    thread = threading.Thread(target=reap)
    old = signal.signal(signal.SIGCHLD, signal.SIG_IGN if how == "ignored" else signal.SIG_DFL)
    if how != "ignored":
        thread.start()
    try:
        for number in range(5):
            container = Container.create(root, name(number), str(made))
            container.start()
            container.delete(force=True)
    finally:
        stop.set()
        signal.signal(signal.SIGCHLD, old)
        if how != "ignored":
            thread.join()
    assert leaks.listing(root) == []
    assert own_cgroups() == []


def test_only_its_own_errors(bundle: BundleFactory, root: str, folder: Path) -> None:
    """Whatever is wrong arrives as PyruncError, and the same call works when it is right again."""
    made = bundle(("/bin/sleep", "1000"))
    (folder / "file").touch()
    wrong = [
        lambda: Container.load(root, name("none")),
        lambda: Container(root, name("none")).start(),
        lambda: Container(root, name("none")).kill(15),
        lambda: Container(root, name("none")).delete(),
        lambda: Container(root, name("none")).state(),
        lambda: Container(root, name("none")).wait(),
        lambda: Container(root, name("none")).exec({"args": ["true"], "cwd": "/"}),
        lambda: Container.create(root, "a/b", str(made)),
        lambda: Container.create(root, name("x"), str(folder / "nowhere")),
        lambda: Container.create(root, name("x"), str(folder / "file")),
        lambda: Container.create(str(folder / "file"), name("x"), str(made)),
        lambda: Container.create(root, name("x"), str(made), pid_file=str(folder / "nowhere/pid")),
        lambda: Container.create(root, name("x"), str(made), preserve_fds=200),
        lambda: Container.create(root, name("x"), str(made), console_socket=str(folder / "file")),
        lambda: Container.run(root, name("x"), str(folder)),
        lambda: list_containers(str(folder / "file")),
    ]
    before = leaks.descriptors()
    for number, call in enumerate(wrong):
        with pytest.raises(PyruncError) as caught:
            call()
        assert str(caught.value), number
        assert leaks.descriptors() == before, number
    with pytest.raises(ContainerNotFound, match="container does not exist"):
        Container.load(root, name("none"))
    assert leaks.listing(root) == []
    assert own_cgroups() == []
    container = Container.create(root, name("x"), str(made))
    with pytest.raises(PyruncError, match="already exists"):
        Container.create(root, name("x"), str(made))
    with pytest.raises(PyruncError, match="signal"):
        container.kill(65)
    container.delete()


def test_open_files_of_the_program_stay_outside(bundle: BundleFactory, root: str, folder: Path) -> None:
    """Also those that a careless library opened without O_CLOEXEC."""
    made = bundle("/bin/probe > /out/seen")
    made.config["mounts"].append({"destination": "/out", "source": str(folder), "options": ["bind"]})
    (made.rootfs / "out").mkdir()
    made.save()
    fds = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(20)]
    try:
        for fd in fds:
            os.set_inheritable(fd, True)
        assert Container.run(root, name("open"), str(made)) == 0
    finally:
        for fd in fds:
            os.close(fd)
    assert sorted(json.loads((folder / "seen").read_text())["fds"]) == ["0", "1", "2"]


def program_of(pid: int) -> str:
    """What the process runs: "pyrunc-init", "busybox", ...  Waits a moment for one that is about to exec."""
    for _ in range(100):
        exe = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        if "python" not in exe:
            break
        time.sleep(0.001)
    # pyrunc-init is executed through a mount that has no path.
    return exe or os.path.basename(Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0])


def test_nothing_of_python_in_the_container(bundle: BundleFactory, root: str) -> None:
    """During create, start and exec, every process in the cgroup or in the pid namespace is the helper or the
    program, whenever one looks (but for the instant in which the helper is spawned and has not been executed)."""
    made = bundle(("/bin/sleep", "1000"))
    seen: set[str] = set()
    stop = threading.Event()
    own = os.readlink("/proc/self/ns/pid")

    def watch() -> None:
        while not stop.is_set():
            for pid in processes.descendants(os.getpid()):
                try:
                    namespace = os.readlink(f"/proc/{pid}/ns/pid")
                    if namespace != own or leaks.prefix() in Path(f"/proc/{pid}/cgroup").read_text():
                        seen.add(program_of(pid))
                except OSError:
                    continue  # it has ended

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for number in range(10):
            container = Container.create(root, name(number), str(made))
            container.start()
            container.exec({"args": ["/bin/true"], "cwd": "/", "env": ["PATH=/bin"]})
            container.delete(force=True)
    finally:
        stop.set()
        thread.join()
    assert "pyrunc-init" in seen
    assert seen <= {"pyrunc-init", "busybox", "sleep", "true", ""}, "the empty one was about to end"
