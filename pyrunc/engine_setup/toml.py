"""Reading TOML, with errors that name the place."""

import tomllib
from typing import Any

from pyrunc.errors import PyruncError


def parse(text: str) -> dict[str, Any]:
    """What the text says.  Raises PyruncError with line and column."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers too long for int()
        raise PyruncError(f"is no TOML: {error}", hint="nothing was changed") from error


def table(data: Any, *names: str) -> dict[str, Any]:
    """The table of that path in the data; empty when there is none."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
