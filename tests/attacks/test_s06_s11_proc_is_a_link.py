"""S6 (CVE-2019-19921), S11 (CVE-2023-27561, CVE-2023-28642), S19 (CVE-2025-54867): /proc or /sys is a link."""

from collections.abc import Callable

import pytest

from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.runtime import Pyrunc, Result
from tests.support.weakened import Change

pytestmark = pytest.mark.root

FOLLOWS: Change = (
    "pyrunc/operations/filesystem.py",
    'strict=fstype in ("proc", "sysfs"))',
    "strict=False)",
)


def run(pyrunc: Pyrunc, bundle: BundleFactory, name: str, target: str) -> Result:
    """A container whose image has a link at /proc or /sys."""
    made = bundle("echo ran")
    (made.rootfs / name).rmdir()
    (made.rootfs / "elsewhere").mkdir()
    (made.rootfs / name).symlink_to(target)
    if name == "proc":  # masks would find their paths missing, which is no error
        assert "/proc/keys" in made.config["linux"]["maskedPaths"]
    return pyrunc.run(made)


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize(
    "target", ["elsewhere", "/elsewhere", "missing", "./elsewhere", "../elsewhere", "SELF", "HOST"]
)
def test_link(name: str, target: str, bundle: BundleFactory, pyrunc: Pyrunc, canary: Canary) -> None:
    result = run(pyrunc, bundle, name, {"SELF": name, "HOST": canary.link}.get(target, target))
    assert result.returncode == 1
    assert f"/{name} must be an ordinary directory, reached through no link" in result.stderr
    assert result.stdout == ""
    assert canary.intact


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_link_can_fail(name: str, bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert run(weak(FOLLOWS), bundle, name, "elsewhere").stdout == "ran\n"
