"""S3 (CVE-2016-8867): the ambient set holds what process.capabilities.ambient says, and nothing else."""

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.inside import probe
from tests.support.weakened import Change

pytestmark = pytest.mark.root

NAMES = ["CAP_NET_RAW", "CAP_CHOWN"]
FILLED: tuple[Change, ...] = (
    (
        "pyrunc/security/capabilities.py",
        "    granted_inheritable = inheritable & granted_bounding\n",
        "    granted_inheritable = granted_permitted\n",
    ),
    (
        "pyrunc/security/capabilities.py",
        "    granted_ambient = ambient & granted_permitted & granted_inheritable\n",
        "    granted_ambient = granted_permitted\n",
    ),
)


KINDS = ("ambient", "effective", "permitted", "inheritable")


@attack("S3", weak={"filled": FILLED})
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_no_ambient_capabilities(verb: str, bundle: BundleFactory, attacked: Attacked) -> None:
    """The sets of a program of user 1000 that was executed with capabilities that are permitted and effective."""
    made = probe(bundle, user={"uid": 1000, "gid": 1000})
    made.config["process"]["capabilities"] = {"bounding": NAMES, "effective": NAMES, "permitted": NAMES}
    made.save()
    if verb == "run":
        result = attacked.run(made)
    else:
        container_id, _ = attacked.create(made)
        result = attacked("exec", container_id, "/bin/probe")
    seen = attacked.undecided_unless(result, verb).json()
    if seen["uid"][0] == 0 and not attacked.own:
        pytest.skip("exec takes root for its user")
    sets = seen["capabilities"]
    broken_if({kind: sets[kind] for kind in KINDS if sets[kind]}, "kept by an ordinary user")
