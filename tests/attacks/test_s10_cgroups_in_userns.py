"""S10 (CVE-2023-25809): a user namespace without a cgroup namespace, and the user's own cgroups on the host."""

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
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


@attack("S10", weak={"writable": WRITABLE}, when=lambda given: given["options"])
@pytest.mark.parametrize("options", [[], ["nosuid", "noexec", "nodev"]], ids=["of /sys", "own mount"])
def test_read_only(options: list[str], bundle: BundleFactory, attacked: Attacked) -> None:
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
    result = attacked.undecided_unless(attacked.run(made.save()), "the container")
    broken_if(set(result.stdout.split()), "done to the host's cgroups")
