"""Which refused system calls matter, and what is said of them."""

from errno import ENOSYS, EPERM

import pytest

from pyrunc import syscalls
from pyrunc.kernel_calls import BY_DESCRIPTOR, CALLS, NOT_ACCEPTED, lacking, missing


@pytest.mark.parametrize(
    ("refused", "mounting", "may_mount", "found"),
    [
        (["openat2"], False, True, ["openat2"]),
        (["fsopen"], False, True, []),
        (["fsopen"], True, True, ["fsopen"]),
        (["open_tree"], False, True, []),
        (["memfd_create"], True, True, []),
        (["memfd_create"], True, False, ["memfd_create"]),
        (["memfd_create", "open_tree"], False, True, ["memfd_create", "open_tree"]),
        (["memfd_create", "mount_setattr"], True, True, ["mount_setattr", "memfd_create"]),
        (["memfd_create", "move_mount"], False, True, []),
        ([], True, False, []),
    ],
)
def test_missing(refused: list[str], mounting: bool, may_mount: bool, found: list[str]) -> None:
    assert list(missing(dict.fromkeys(refused, ENOSYS), mounting, may_mount)) == found


def test_nothing_is_forgotten() -> None:
    everything = dict.fromkeys(CALLS, ENOSYS)
    assert missing(everything, True, True).keys() == everything.keys()
    assert everything.keys() - missing(everything, False, True).keys() == set(BY_DESCRIPTOR) - {
        "open_tree",
        "mount_setattr",
    }


def test_lacking() -> None:
    error = lacking({"openat2": EPERM, "clone3": ENOSYS})
    assert str(error) == (
        "check the system calls: openat2 (of Linux 5.6 and later) is needed to look up paths of the container without"
        " leaving its root: operation not permitted; clone3 (of Linux 5.7 and later) is needed to start pyrunc-init in"
        " its namespaces and its cgroup: function not implemented"
    )
    assert error.errno == EPERM
    assert error.hint.endswith("may forbid openat2, clone3")


@pytest.mark.root
@pytest.mark.parametrize("name", list(CALLS))
def test_probe(name: str) -> None:
    """This kernel has them all, and none does anything."""
    assert syscalls.probe(name) in NOT_ACCEPTED


def test_probe_of_an_unknown_call() -> None:
    assert syscalls.probe("no_such_call") not in NOT_ACCEPTED
