"""S10 (CVE-2023-25809): a user namespace without a cgroup namespace, and the user's own cgroups on the host."""

from collections.abc import Callable

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

WRITABLE: tuple[Change, ...] = (
    ("pyrunc/operations/plan.py", 'read_only = not own and "user" in self.has_own', "read_only = False"),
)
TRY = """
cd /sys/fs/cgroup
for d in . */; do
    mkdir $d/made 2>/dev/null && echo made && rmdir $d/made
done
for f in cgroup.procs */cgroup.procs; do
    [ -e $f ] && (echo $$ > $f) 2>/dev/null && echo wrote
done
exit 0
"""


def written(pyrunc: Pyrunc, bundle: BundleFactory, options: "list[str]") -> set[str]:
    """What a container could do to the cgroups it sees, whose owner on the host its root is."""
    made = bundle(TRY)
    linux = made.config["linux"]
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "cgroup"] + [{"type": "user"}]
    for kind in ("uidMappings", "gidMappings"):
        linux[kind] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    made.config["mounts"] = [
        mount for mount in made.config["mounts"] if mount["destination"] not in ("/sys/fs/cgroup", "/sys")
    ]
    made.config["mounts"].append({"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "ro"]})
    if options:
        made.config["mounts"].append(
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options}
        )
    result = pyrunc.run(made.save())
    assert result.returncode == 0, result
    return set(result.stdout.split())


@pytest.mark.parametrize("options", [[], ["nosuid", "noexec", "nodev"]], ids=["of /sys", "own mount"])
def test_read_only(options: list[str], bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert written(pyrunc, bundle, options) == set()


def test_read_only_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert "made" in written(weak(*WRITABLE), bundle, ["nosuid", "noexec", "nodev"])
