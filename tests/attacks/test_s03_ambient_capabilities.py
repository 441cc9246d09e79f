"""S3 (CVE-2016-8867): the ambient set holds what process.capabilities.ambient says, and nothing else."""

from collections.abc import Callable

import pytest

from tests.support.bundles import BundleFactory
from tests.support.inside import probe, see
from tests.support.runtime import Pyrunc
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


def kept(pyrunc: Pyrunc, bundle: BundleFactory) -> list[int]:
    """The sets of a program of user 1000 that was executed with capabilities that are permitted and effective."""
    made = probe(bundle, user={"uid": 1000, "gid": 1000})
    made.config["process"]["capabilities"] = {"bounding": NAMES, "effective": NAMES, "permitted": NAMES}
    sets = see(pyrunc, made)["capabilities"]
    return [sets[kind] for kind in ("ambient", "effective", "permitted", "inheritable")]


def test_no_ambient_capabilities(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert kept(pyrunc, bundle) == [0, 0, 0, 0]


def test_no_ambient_capabilities_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert kept(weak(*FILLED), bundle) == [1 << 13 | 1 << 0] * 4
