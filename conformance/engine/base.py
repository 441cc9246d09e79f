"""What the engines have in common: a folder of their own, a way to be called, and an end."""

import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from conformance.engine.operation import CannotRun

CGROUPS = Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Engine:
    """One engine that uses one runtime.  start() it, call it, stop() it.

    folder:  for all its state; short, as sockets are in it
    runtime: the absolute path of the runtime's command
    image:   a tar file of the root file system that containers get
    """

    name = ""
    command = ""
    package = ""
    program = ""
    # The cgroups at the top that it puts its own into; what was there before it is left alone.
    parents: tuple[str, ...] = ()

    def __init__(self, folder: Path, runtime: Path, image: Path) -> None:
        self.folder = folder
        self.runtime = runtime
        self.image = image
        self.environment: dict[str, str] = {"PATH": PATH, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run")}
        self.numbers = itertools.count(1)
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.known = self.cgroups()

    def start(self) -> None:
        """Makes it ready, with the image as `img`.  Raises CannotRun where it is not installed or cannot run."""
        raise NotImplementedError

    def stop(self) -> None:
        """Removes what its containers left, ends its daemons, unmounts what it has mounted.

        Raises AssertionError when a process or a cgroup with processes stays.
        """
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()
        try:
            self.settle()
        finally:
            unmount_below(self.folder)
            for path in sorted(self.cgroups() - self.known, reverse=True):  # those below a cgroup before it
                subprocess.run(["rmdir", path], capture_output=True)
        left = self.cgroups() - self.known
        assert not left, f"cgroups are left: {left}"

    def cgroups(self) -> set[Path]:
        """All that is in the cgroups of its name."""
        return {path for name in self.parents for path in cgroups_below(name)}

    def settle(self) -> None:
        """Waits for what comes after a container's end: conmon's clean-up, shims.  AssertionError when it stays."""
        until(lambda: not processes_with(f"{self.folder}/"), "the end of the engine's processes", 30)

    def arguments(self) -> list[str]:
        """The program and the options that every call has."""
        return [self.program]

    def new_name(self) -> str:
        """A name for a container that has not been used."""
        return f"c{next(self.numbers)}"

    def call(
        self, *args: str, timeout: float = 60, input: "str | None" = None, env: "Mapping[str, str] | None" = None
    ) -> "subprocess.CompletedProcess[str]":
        """Calls the engine, whatever comes of it."""
        command = [*self.arguments(), *args]
        return run(command, timeout=timeout, input=input, env={**self.environment, **(env or {})}, cwd=self.folder)

    def ok(self, *args: str, timeout: float = 60, input: "str | None" = None) -> str:
        """The output of a call that must succeed."""
        done = self.call(*args, timeout=timeout, input=input)
        assert done.returncode == 0, told(done)
        return done.stdout

    def terminal(self, *args: str, keys: str = "", timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        """Calls the engine at a terminal (script(1)), where `keys` are typed."""
        command = " ".join(map(quote, [*self.arguments(), *args]))
        whole = ["script", "-qec", f"stty -echo rows 33 cols 77; {command}", "/dev/null"]
        return run(whole, timeout=timeout, input=keys, env=self.environment, cwd=self.folder)

    def daemon(self, *command: str, env: "Mapping[str, str] | None" = None) -> "subprocess.Popen[bytes]":
        """Starts a daemon, whose output goes to a log in the folder; stop() ends it."""
        log = self.folder / f"{Path(command[0]).name}.log"
        with open(log, "ab") as output:
            started = subprocess.Popen(
                command,
                env={**self.environment, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        self.daemons.append(started)
        return started

    def file(self, name: str, text: str) -> Path:
        """A file below the folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def needs(self, *programs: str) -> None:
        """Raises CannotRun when one of the programs is not installed."""
        for program in programs:
            if shutil.which(program, path=PATH) is None:
                raise CannotRun(f"{program} is not installed")


def quote(word: str) -> str:
    """The word as a shell reads it."""
    return "'" + word.replace("'", "'\\''") + "'"


def run(
    command: Sequence[str],
    *,
    timeout: float,
    input: "str | None",
    env: Mapping[str, str],
    cwd: Path,
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end.  AssertionError when that takes too long."""
    try:
        return subprocess.run(
            command,
            input=input or "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=dict(env),
            cwd=cwd,
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{' '.join(command)}: not done after {timeout:g} s") from None


def told(done: "subprocess.CompletedProcess[str]") -> str:
    """A call and how it ended, for a failure's message."""
    words = done.args if isinstance(done.args, list) else [str(done.args)]
    return f"{' '.join(words[-8:])}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}"


def until(condition: Callable[[], object], what: str, seconds: float = 15) -> None:
    """Waits until the condition holds.  AssertionError after that time."""
    end = time.monotonic() + seconds
    pause = 0.02
    while not condition():
        assert time.monotonic() < end, f"{what}: not after {seconds:g} s"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.3)  # most ask an engine, which has other things to do


def processes_with(*texts: str) -> list[str]:
    """The command lines of processes (but zombies) that have one of the texts in them."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue  # ended just now
        if any(text in line for text in texts):
            lines.append(line)
    return lines


def unmount_below(folder: Path) -> None:
    """Unmounts all that is mounted below a folder, the last first."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4].encode().decode("unicode_escape") for line in file]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", point], capture_output=True)


def cgroups_below(name: str) -> set[Path]:
    """The cgroup of that name at the top of every hierarchy, and all below it."""
    tops = [folder / name for folder in (CGROUPS, *CGROUPS.iterdir())]
    return {Path(folder) for top in tops for folder, _, _ in os.walk(top)}  # which does not mind that some vanish


def is_file_system(path: "os.PathLike[str]", kind: str) -> bool:
    """Whether the folder is on a file system of that kind (overlayfs does not go on itself)."""
    done = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True)
    return done.stdout.strip() == kind
