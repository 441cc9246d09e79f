"""S13 (CVE-2024-3154): an annotation that names a property with which systemd runs a program of somebody's choice.

The systemd that is asked is one of the test's own, which notes what it hears and does nothing.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support.attack import Attacked, attack, broken_if
from tests.support.bundles import BundleFactory
from tests.support.fake_bus import FakeBus
from tests.support.runtime import Result
from tests.support.weakened import Change

pytestmark = pytest.mark.root

ANY_NAME: Change = (
    "pyrunc/cgroups/systemd_annotations.py",
    '    "KillSignal": "i",\n',
    '    "KillSignal": "i",\n    "OnFailure": "as",\n',
)
COMMAND = "[('/bin/touch', ['/bin/touch', '/tmp/evil'], false)]"
PROPERTIES = {
    "ExecStart": COMMAND,
    "ExecStartPre": COMMAND,
    "ExecStopPost": COMMAND,
    "OnFailure": "['emergency.target']",
    "Conflicts": "['sshd.service']",
    "PIDs": "[uint32 1]",
}


def with_property(
    attacked: Attacked, bundle: BundleFactory, folder: Path, name: str, value: str
) -> tuple[Result, list[tuple[str, Any]]]:
    """A container with such an annotation: how its creation ended, and what systemd was asked meanwhile."""
    made = bundle(("/bin/true",))
    made.config["annotations"] = {f"org.systemd.property.{name}": value}
    with FakeBus(folder) as bus:
        attacked.before = bus.before()
        result = attacked("--systemd-cgroup", "run", "--bundle", made.save(), attacked.new_id())
        attacked.before = ()
    return result, bus.asked


@attack("S13", weak={"any name": (ANY_NAME,)}, when=lambda given: given["name"] == "OnFailure")
@pytest.mark.parametrize("name", list(PROPERTIES))
def test_property(name: str, bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    """It is refused, and before anything is asked of systemd."""
    result, asked = with_property(attacked, bundle, folder, name, PROPERTIES[name])
    heard = any(method == "StartTransientUnit" and name in repr(body) for method, body in asked)
    broken_if(heard, f"systemd is asked for a unit with {name}")
    if attacked.own:
        assert f"the unit property {name} is not one that an annotation may set" in result.stderr
        assert asked == []
    elif not asked:
        attacked.undecided_unless(result, "a unit")


@attack("S13", inner="the words of pyrunc's own check")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TimeoutStopUSec", "uint64 1 2", "expected the end at position 10"),
        ("TimeoutStopUSec\n", "1", "is not one that an annotation may set"),
    ],
)
def test_malformed(name: str, value: str, words: str, bundle: BundleFactory, attacked: Attacked, folder: Path) -> None:
    result, asked = with_property(attacked, bundle, folder, name, value)
    assert result.returncode == 1
    assert words in result.stderr
    assert asked == []
