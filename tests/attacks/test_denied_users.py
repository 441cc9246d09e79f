"""System calls denied to those who may not mount where they are.

The kernel itself answers them EPERM then: each error has to be the right one.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.denied import ERRORS, UNNEEDED, DenyFactory, assert_names, assert_refused, build_denied
from tests.support.ordinary_user import OrdinaryUser, given
from tests.support.runtime import Pyrunc

pytestmark = pytest.mark.root

CALLS = ("fsopen", "fsmount", "move_mount", "open_tree", "memfd_create")
OWN_USERS = ("unshare", "--user", "--map-root-user")
NO_SYS_ADMIN = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")


class By(Pyrunc):
    """The command as another command executes it."""

    outer: tuple[str, ...] = ()

    def argv(self, *args: "str | os.PathLike[str]") -> list[str]:
        return [*self.outer, *super().argv(*args)]


def by(pyrunc: Pyrunc, *outer: str) -> By:
    command = By(pyrunc.command, pyrunc.root, pyrunc.folder)
    command.numbers, command.outer = pyrunc.numbers, outer
    return command


@pytest.fixture
def user(runtime: Path, folder: Path) -> Iterator[OrdinaryUser]:
    """The command as an ordinary user has it."""
    command = OrdinaryUser(runtime, folder)
    try:
        if subprocess.run(command.as_user("test", "-x", str(runtime))).returncode:
            pytest.skip("the checkout is not open to other users")
        yield command
        assert not command.delete_all()
    finally:
        command.close()


@pytest.mark.parametrize("error", list(ERRORS))
def test_ordinary_user(error: str, user: OrdinaryUser, bundle: BundleFactory, session_folder: Path) -> None:
    """pyrunc mounts in a user namespace, where he may; a sealed copy of pyrunc-init is all that he can have."""
    made = given(bundle("echo ran", rootless=True))
    for call in CALLS:
        user.outer = [str(build_denied(session_folder)), error, call]
        assert_refused(user.run(made), call, error, user)
    user.outer[2] = UNNEEDED
    assert user.run(made).stdout == "ran\n"


@pytest.mark.parametrize("error", list(ERRORS))
def test_root_of_a_user_namespace(error: str, pyrunc: Pyrunc, bundle: BundleFactory, deny: DenyFactory) -> None:
    """Without a mount namespace that belongs to it, and with one, where pyrunc-init's mount can be cloned."""
    made = bundle("echo ran", rootless=True)
    for call in CALLS:
        assert_refused(deny(error, call, of=by(pyrunc, *OWN_USERS)).run(made), call, error, pyrunc)
    assert_refused(deny(error, "fsopen", of=by(pyrunc, *OWN_USERS, "--mount")).run(made), "fsopen", error, pyrunc)
    assert deny(error, CALLS[-1], of=by(pyrunc, *OWN_USERS, "--mount")).run(made).stdout == "ran\n"
    assert deny(error, UNNEEDED, of=by(pyrunc, *OWN_USERS)).run(made).stdout == "ran\n"


@pytest.mark.parametrize("error", list(ERRORS))
def test_root_without_privileges(error: str, pyrunc: Pyrunc, bundle: BundleFactory, deny: DenyFactory) -> None:
    """What is missing is CAP_SYS_ADMIN, unless a call is."""
    result = deny(error, UNNEEDED, of=by(pyrunc, *NO_SYS_ADMIN)).run(bundle("echo ran"))
    assert result.returncode == 1
    assert "Making namespaces needs CAP_SYS_ADMIN" in result.stderr
    assert_names(deny(error, "fsopen", of=by(pyrunc, *NO_SYS_ADMIN)).run(bundle("echo ran")), "fsopen", error)
