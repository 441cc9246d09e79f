"""S9 (CVE-2022-29162, CVE-2022-27650, CVE-2022-24769, CVE-2025-27612): nobody gets inheritable capabilities unasked."""

from collections.abc import Callable

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc
from tests.support.weakened import Change

pytestmark = pytest.mark.root

ALL_SETS: Change = (
    "pyrunc/security/capabilities.py",
    '    kinds = ["bounding", "effective", "permitted"]\n    if sets.get("inheritable"):\n',
    '    kinds = ["bounding", "effective", "permitted", "inheritable"]\n    if sets.get("inheritable"):\n',
)


def inheritable(pyrunc: Pyrunc, bundle: BundleFactory, *options: str) -> str:
    """CapInh of an exec's process."""
    container_id, _ = pyrunc.create(bundle("exit 0"))
    return pyrunc.ok("exec", *options, container_id, "grep", "CapInh", "/proc/self/status").stdout.split()[1]


@pytest.mark.parametrize("options", [(), ("--cap", "CAP_NET_RAW"), ("--cap", "CAP_NET_RAW", "--user", "1000")])
def test_exec(options: tuple[str, ...], bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    assert inheritable(pyrunc, bundle, *options) == "0" * 16


def test_exec_can_fail(bundle: BundleFactory, weak: Callable[..., Pyrunc]) -> None:
    assert inheritable(weak(ALL_SETS), bundle, "--cap", "CAP_NET_RAW") == "0" * 12 + "2000"


def test_spec(pyrunc: Pyrunc, bundle: BundleFactory) -> None:
    made = bundle()
    (made.path / "config.json").unlink()
    pyrunc.ok("spec", cwd=made.path)
    assert '"inheritable"' not in (made.path / "config.json").read_text()
