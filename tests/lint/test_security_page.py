"""SECURITY.md names the places that keep each rule: they must exist."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PLACE = re.compile(r"`([\w/]+\.(?:py|c)):(\w+)`")


def test_places_exist() -> None:
    """Each `file:name` is a function, class, method or constant of that file."""
    places = PLACE.findall((CHECKOUT / "SECURITY.md").read_text())
    assert len(places) > 50
    missing = []
    for file, name in places:
        path = CHECKOUT / file
        defined = rf"^\s*(?:def|class) {name}\b|^{name} = " if file.endswith(".py") else rf"^\w[^;=]*\b{name}\(.*[^;]$"
        if not path.exists() or not re.search(defined, path.read_text(), re.MULTILINE):
            missing.append(f"{file}:{name}")
    assert not missing
