"""S9 (CVE-2022-29162, CVE-2022-27650, CVE-2022-24769, CVE-2025-27612): nobody gets inheritable capabilities unasked."""

import json

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.weakened import Change

pytestmark = pytest.mark.root

ALL_SETS: Change = (
    "pyrunc/security/capabilities.py",
    '    kinds = ["bounding", "effective", "permitted"]\n    if sets.get("inheritable"):\n',
    '    kinds = ["bounding", "effective", "permitted", "inheritable"]\n    if sets.get("inheritable"):\n',
)


OPTIONS = {"none": (), "cap": ("--cap", "CAP_NET_RAW"), "user": ("--cap", "CAP_NET_RAW", "--user", "1000")}


@attack("S9", weak={"all sets": (ALL_SETS,)}, when=lambda given: given["options"] == "cap")
@pytest.mark.parametrize("options", list(OPTIONS))
def test_exec(options: str, bundle: BundleFactory, attacked: Attacked) -> None:
    """CapInh of an exec's process."""
    container_id, _ = attacked.create(bundle("exit 0"))
    result = attacked("exec", *OPTIONS[options], container_id, "grep", "CapInh", "/proc/self/status")
    found = attacked.undecided_unless(result, "exec").stdout.split()[1]
    broken_if(found != "0" * 16, f"inheritable: {found}")


@attack("S9")
def test_run(bundle: BundleFactory, attacked: Attacked) -> None:
    """The same for the first process, whose configuration has no such set."""
    made = bundle(("/bin/grep", "CapInh", "/proc/self/status"))
    made.config["process"]["capabilities"].pop("inheritable", None)
    made.config["process"]["capabilities"].pop("ambient", None)
    found = attacked.undecided_unless(attacked.run(made.save()), "run").stdout.split()[1]
    broken_if(found != "0" * 16, f"inheritable: {found}")


@attack("S9")
def test_spec(attacked: Attacked, bundle: BundleFactory) -> None:
    made = bundle()
    (made.path / "config.json").unlink()
    attacked.undecided_unless(attacked("spec", cwd=made.path), "spec")
    sets = json.loads((made.path / "config.json").read_text())["process"]["capabilities"]
    broken_if(sets.get("inheritable"), "the configuration of spec has inheritable capabilities")
