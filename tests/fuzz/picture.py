"""Any object of a plan as text, so that two plans can be compared."""

from typing import Any


def picture(value: Any, without: tuple[str, ...] = ()) -> str:
    """All that a value has in it: members of containers, attributes of objects (but those `without`), and types."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{picture(key)}: {picture(member)}" for key, member in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(picture, value)) + "]"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(map(picture, value))) + "}"
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names += getattr(value, "__dict__", {})
    members = [
        f"{name}={picture(getattr(value, name))}" for name in names if name not in without and hasattr(value, name)
    ]
    return f"{type(value).__name__}({', '.join(members)})"
