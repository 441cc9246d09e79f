"""S6 (CVE-2019-19921), S11 (CVE-2023-27561, CVE-2023-28642): /proc or /sys is a link."""

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.canary import Canary
from tests.support.weakened import Change

pytestmark = pytest.mark.root

FOLLOWS: Change = (
    "pyrunc/operations/filesystem.py",
    'strict=fstype in ("proc", "sysfs"),',
    "strict=False,",
)


TARGETS = ("elsewhere", "/elsewhere", "missing", "./elsewhere", "../elsewhere", "SELF", "HOST")


@attack("S6", "S11", weak={"follows": (FOLLOWS,)}, when=lambda given: given["target"] == "elsewhere")
@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", TARGETS)
def test_link(name: str, target: str, bundle: BundleFactory, attacked: Attacked, canary: Canary) -> None:
    """What is mounted at /proc and /sys would be elsewhere, and there be no masks on what the image has there."""
    made = bundle(f"[ -L /{name} ] && echo link")
    (made.rootfs / name).rmdir()
    (made.rootfs / "elsewhere").mkdir()
    (made.rootfs / name).symlink_to({"SELF": name, "HOST": canary.link}.get(target, target))
    if name == "proc":  # masks would find their paths missing, which is no error
        assert "/proc/keys" in made.config["linux"]["maskedPaths"]
    result = attacked.run(made)
    broken_if("link" in result.stdout, f"the container runs with a link at /{name}")
    broken_if(not canary.intact, "the host's folder has changed")
    if attacked.own:
        assert result.returncode == 1
        assert f"/{name} must be an ordinary directory, reached through no link" in result.stderr
        assert result.stdout == ""
