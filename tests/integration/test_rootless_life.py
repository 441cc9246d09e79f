"""The life of an ordinary user's containers: terminals, hooks, where the state is, and what a kill leaves behind."""

import array
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import processes
from tests.support.bundles import Bundle
from tests.support.hook_scripts import scripts
from tests.support.ordinary_user import UID, OrdinaryUser
from tests.support.rootfs import give_to
from tests.support.runtime import ENVIRONMENT, Pyrunc
from tests.support.user_terminal import Session

pytestmark = pytest.mark.root

SLEEP = ("/bin/sleep", "1000")


# Terminals.


@pytest.mark.parametrize("ranges", [False, True])
def test_terminal_in_the_foreground(ranges: bool, user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """Also for another user of the container than its root, whose terminal it then is."""
    made = rootless("tty; stat -c %u $(tty) /dev/console; read word; echo got-$word", ranges=ranges, terminal=True)
    made.config["process"]["user"]["uid"] = uid = 5 if ranges else 0
    session = Session(*user.argv("run", "--bundle", str(made.save()), user.new_id()), env=user.environment)
    try:
        session.expect(f"/dev/pts/0\r\n{uid}\r\n{uid}\r\n".encode())
        session.type(b"word\r")
        assert session.wait() == 0
        assert session.output.endswith(b"got-word\r\n")
        assert session.is_restored
    finally:
        session.close()


def test_console_socket(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    path = user.runtime_dir / "console.sock"
    masters = array.array("i")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        os.chown(path, UID, UID)
        listener.listen()

        def receive() -> None:
            connection, _ = listener.accept()
            with connection:
                masters.frombytes(connection.recvmsg(4096, 64)[1][0][2][:4])

        thread = threading.Thread(target=receive)
        thread.start()
        made = rootless("tty; read word; echo got-$word", terminal=True)
        user.ok("run", "--detach", "--bundle", made, "--console-socket", path, user.new_id())
        thread.join(10)
    output = b""
    os.write(masters[0], b"word\n")
    while b"got-word" not in output:
        output += os.read(masters[0], 1000)
    assert b"/dev/pts/0\r\n" in output
    os.close(masters[0])


def test_exec_with_a_terminal(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    container_id, _ = user.create(rootless(SLEEP))
    user.ok("start", container_id)
    session = Session(*user.argv("exec", "--tty", container_id, "tty"), env=user.environment)
    try:
        session.expect(b"/dev/pts/0\r\n")
        assert session.wait() == 0
    finally:
        session.close()


# Hooks.


def test_hooks(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """All kinds run: as the user, those in the container's namespaces as its root."""
    made = rootless()
    log = user.runtime_dir / "log"
    log.touch()
    log.chmod(0o666)
    hook = scripts(user.files)
    kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    made.config["hooks"] = {
        kind: [hook(f"cat > /dev/null; echo {kind} $(id -u) >> {log}", env=["PATH=/usr/bin:/bin"])] for kind in kinds
    }
    made.config["hooks"]["startContainer"] = [{"path": "/bin/touch", "args": ["touch", "/tmp/touched"]}]
    made.config["root"]["readonly"] = False
    result = user.run(made.save())
    assert result.returncode == 0, result
    ids = {"createContainer": 0}
    assert log.read_text().splitlines() == [f"{kind} {ids.get(kind, UID)}" for kind in kinds]
    assert (made.rootfs / "tmp/touched").stat().st_uid == UID


def test_a_failing_hook_leaves_nothing(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    made = rootless(ranges=True)
    made.config["hooks"] = {"createRuntime": [scripts(user.files)("echo why >&2; exit 3")]}
    result = user.run(made.save())
    assert result.returncode == 1
    assert "hooks.createRuntime[0]" in result.stderr
    assert "why" in result.stderr
    assert user.containers() == []


# Files.


def test_files_belong_to_the_user(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    made = rootless("echo 5 > /five; chown 5:6 /five; echo 0 > /root/zero", ranges=True)
    made.config["root"]["readonly"] = False
    capabilities = made.config["process"]["capabilities"]
    for name in ("bounding", "permitted", "effective"):
        capabilities[name].append("CAP_CHOWN")
    result = user.run(made.save())
    assert result.returncode == 0, result
    first = next(entry for entry in made.config["linux"]["uidMappings"] if entry["containerID"] == 1)["hostID"]
    five = (made.rootfs / "five").stat()
    assert (five.st_uid, five.st_gid) == (first + 4, first + 5)
    assert (made.rootfs / "root/zero").stat().st_uid == UID


def test_a_root_file_system_of_another(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """One that cannot be reached is told; the mount points that are missing in one that is not the user's, too."""
    made = rootless()
    made.rootfs.chmod(0o700)
    os.chown(made.rootfs, 0, 0)
    result = user.run(made)
    assert result.returncode == 1
    assert "permission denied" in result.stderr
    give_to(made.rootfs, 0, 0)
    made.rootfs.chmod(0o755)
    (made.rootfs / "dev").rmdir()
    result = user.run(made)
    assert result.returncode == 1
    assert "mounts[1] (/dev)" in result.stderr
    assert user.containers() == []


# The state.

NO_PLACE = ", so there is no place for the state of an ordinary user's containers"
LOG_IN = "log in through pam_systemd, which sets it, or name a directory of your own with --root"
KEPT = ": su and sudo keep it. Log in anew, or name a directory with --root"


@pytest.mark.parametrize(
    ("runtime_dir", "message", "hint"),
    [
        (
            None,
            f"XDG_RUNTIME_DIR is not set{NO_PLACE}",
            LOG_IN,
        ),
        (
            "run",
            f"XDG_RUNTIME_DIR is not an absolute path{NO_PLACE}",
            LOG_IN,
        ),
        (
            "{folder}",
            "open the state root {folder}/pyrunc: permission denied",
            "XDG_RUNTIME_DIR={folder} belongs to user 0, not to {uid}" + KEPT,
        ),
        (
            "{folder}/none",
            "open the state root {folder}/none/pyrunc: {folder}/none: permission denied",
            "XDG_RUNTIME_DIR={folder}/none is not there, or hidden" + KEPT,
        ),
    ],
    ids=["none", "relative", "another's", "missing"],
)
def test_no_place_for_the_state(
    runtime_dir: "str | None",
    message: str,
    hint: str,
    user: OrdinaryUser,
    rootless: Callable[..., Bundle],
) -> None:
    values: dict[str, Any] = {"folder": user.files, "uid": UID}
    environment = dict(ENVIRONMENT)
    if runtime_dir is not None:
        environment["XDG_RUNTIME_DIR"] = runtime_dir.format(**values)
    result = user("run", "--bundle", rootless(), "c", env=environment)
    assert result.returncode == 1
    assert message.format(**values) in result.stderr
    assert result.stderr.endswith(f"\nhint: {hint.format(**values)}\n")


def test_a_root_of_the_users_own(user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """--root in a directory of the user's does without XDG_RUNTIME_DIR."""
    own = user.runtime_dir / "elsewhere"
    result = user("--root", str(own), "run", "--bundle", rootless("id -u"), user.new_id(), env=ENVIRONMENT)
    assert (result.returncode, result.stdout) == (0, "0\n"), result
    assert own.stat().st_uid == UID


# What the kernel refuses.


def test_the_limit_of_user_namespaces(pyrunc: Pyrunc, rootless: Callable[..., Bundle]) -> None:
    """The sysctl is one of each user namespace: here that of a caller who is root in one."""
    made = rootless()
    for kind in ("uidMappings", "gidMappings"):
        made.config["linux"][kind] = [{"containerID": 0, "hostID": 0, "size": 1}]
    made.save()
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    result = subprocess.run(
        [*command, *pyrunc.argv("run", "--bundle", made, "c")], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert result.returncode == 1
    assert result.stderr == (
        "pyrunc run failed: c: make a user namespace: no space left on device\n"
        "hint: the limit of user namespaces is reached: sysctl user.max_user_namespaces is 0\n"
    )


# A kill.


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.08, 0.12, 0.2])
def test_killed_while_it_creates(delay: float, user: OrdinaryUser, rootless: Callable[..., Bundle]) -> None:
    """Whatever a killed `create` has left, `delete --force` removes it, and no process stays."""
    container_id = user.new_id()
    made = rootless(SLEEP, ranges=True)
    before = set(processes_of(UID))
    process = user.popen("create", "--bundle", str(made), container_id, stderr=subprocess.DEVNULL)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    user("delete", "--force", container_id)
    assert user.containers() == []
    processes.wait_until(lambda: not set(processes_of(UID)) - before, "the user's processes are gone")


def processes_of(uid: int) -> list[int]:
    """The processes of a user."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == uid and processes.alive(int(name)):
                found.append(int(name))
        except FileNotFoundError:
            continue
    return found
