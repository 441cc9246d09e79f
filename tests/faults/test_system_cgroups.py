"""A cgroup tree that gives no place: read-only, or the container's name is taken."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support import freezer, leaks, processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.system_faults import FULL, SLEEP, Trial, bound_over

pytestmark = [pytest.mark.root, pytest.mark.timeout(600 if FULL else 60)]


class BoundOver(Pyrunc):
    """The command in a mount namespace of its own where cgroup file systems are read-only."""

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        hierarchies = [path for path in leaks.cgroup_hierarchies() if os.path.ismount(path)]
        script = 'for path; do [ "$path" = -- ] && break; mount -o remount,bind,ro "$path"; shift; done; shift'
        return [*bound_over(script, *hierarchies, "--"), *super().argv(*args)]


@pytest.mark.parametrize("verb", ["create", "run", "exec", "pause", "kill", "update", "delete"] if FULL else ["create"])
def test_read_only(verb: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The command says so; with a tree that can be written, the container can be removed."""
    trial = Trial(pyrunc, bundle(SLEEP))
    command = trial.prepare(verb)
    trial.pyrunc = BoundOver(pyrunc.command, pyrunc.root, pyrunc.folder)
    trial.pyrunc.numbers = pyrunc.numbers
    result = trial.meet(f"{verb}, read-only", *command)
    trial.pyrunc = pyrunc
    if verb != "kill":
        assert result.returncode
        assert "read-only file system" in result.stderr
    trial.clean(f"{verb}, read-only")
    trial.end()


@contextmanager
def occupied(name: str) -> Iterator[list[Path]]:
    """Cgroups of that name in every hierarchy, with a process that lives there."""
    with ExitStack() as stack:
        made = []
        for path in leaks.cgroup_hierarchies():
            directory = Path(f"{path}{name}")
            directory.mkdir()
            stack.callback(directory.rmdir)
            if "cpuset" in path:
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (directory / file).write_text((directory.parent / file).read_text())
            made.append(directory)
        sleeper = subprocess.Popen(["sleep", "1000"])
        try:
            for directory in made:
                (directory / "cgroup.procs").write_text(str(sleeper.pid))
            yield made
            assert sleeper.poll() is None, "somebody else's process was killed"
        finally:
            for directory in made:
                if (directory / "freezer.state").exists():
                    (directory / "freezer.state").write_text("THAWED")
            sleeper.kill()
            sleeper.wait()
            processes.wait_until(lambda: all(not (d / "cgroup.procs").read_text() for d in made), "empty cgroups")


def at(made: Bundle, name: str) -> Bundle:
    """The bundle with that cgroupsPath."""
    made.config["linux"]["cgroupsPath"] = name
    return made.save()


@pytest.mark.parametrize("how", ["occupied", "frozen"])
def test_name_taken_by_processes(how: str, bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """Somebody else's cgroup is not used, and nothing of it is killed, thawed or removed."""
    name = f"/{leaks.prefix()}{pyrunc.root.name}-taken"
    trial = Trial(pyrunc, at(bundle(SLEEP), name))
    with occupied(name) as made:
        if how == "frozen":
            for directory in made:
                if (directory / "freezer.state").exists():
                    (directory / "freezer.state").write_text("FROZEN")
                    processes.wait_until(lambda d=directory: freezer.is_frozen(d), "the freezer")
        trial.bystanders |= set(processes.descendants(os.getpid()))
        result = trial.meet(how, "create", "--bundle", str(trial.made), trial.id)
        assert result.returncode == 1
        assert "container's cgroup is not empty: 1 process(es) found" in result.stderr
        trial.clean(how)
        assert all(directory.is_dir() for directory in made)
        if how == "frozen":
            assert all(freezer.is_frozen(d) for d in made if (d / "freezer.state").exists())
    trial.end()


def test_a_file_in_its_place(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """The name is that of one of the kernel's files."""
    trial = Trial(pyrunc, at(bundle(SLEEP), "/cgroup.procs"))
    result = trial.meet("a file", "create", "--bundle", str(trial.made), trial.id)
    assert result.returncode == 1
    assert "cgroup.procs" in result.stderr
    trial.clean("a file")
    assert not trial.wrong, trial.wrong


def test_cgroups_below(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    """An old container's cgroup, empty, with another below: used or refused, but not left in a mess."""
    name = f"/{leaks.prefix()}{pyrunc.root.name}-below"
    trial = Trial(pyrunc, at(bundle(SLEEP), name))
    made = []
    for path in leaks.cgroup_hierarchies():
        for directory in (Path(f"{path}{name}"), Path(f"{path}{name}/inner")):
            directory.mkdir()
            made.append(directory)
    try:
        trial.meet("cgroups below", "create", "--bundle", str(trial.made), trial.id)
        trial.clean("cgroups below")
    finally:
        for directory in reversed(made):
            if directory.exists():
                directory.rmdir()
    trial.end()
