"""A runtime with one defect: calls the real one, and spoils what goes in or comes out.

usage: broken_runtime.py [runtime's arguments]

Environment: CONFORMANCE_RUNTIME (the real command, as a shell writes it), CONFORMANCE_BREAK (a Break as JSON),
CONFORMANCE_MARK (a file that is made once the defect has come to bear: a break that never does proves nothing).
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

# Global options that take a value, as all runtimes have them; the command is the first word after them.
WITH_VALUE = ("--root", "--log", "--log-format", "--rootless", "--criu", "--cgroup-manager")
# `run` is create and start at once.
PARTS = {"create": ("create", "run"), "start": ("start", "run")}


def main(argv: list[str]) -> int:
    """Performs one command line with the defect; returns its exit status."""
    defect: dict[str, Any] = json.loads(os.environ["CONFORMANCE_BREAK"])
    runtime = shlex.split(os.environ["CONFORMANCE_RUNTIME"])
    whole = [*runtime, *argv]
    position = command_position(argv)
    command = argv[position] if position < len(argv) else ""
    if command in PARTS.get(defect["command"], (defect["command"],)):
        if defect["kind"] in INSTEAD:
            return INSTEAD[defect["kind"]](whole, len(runtime) + position, defect)
        BEFORE[defect["kind"]](argv, defect)
    return subprocess.run(whole).returncode


def change_config(argv: list[str], defect: dict[str, Any]) -> None:
    """Spoils config.json in place: the bundles are the checks' own."""
    change_file(Path(value_of(argv, ("--bundle", "-b")) or ".") / "config.json", defect)


def change_process(argv: list[str], defect: dict[str, Any]) -> None:
    """Spoils the process file of exec."""
    path = value_of(argv, ("--process", "-p"))
    if path:
        change_file(Path(path), defect)


def skip(_whole: list[str], _position: int, _defect: dict[str, Any]) -> int:
    """Does nothing and is content."""
    mark()
    return 0


def refuse(_whole: list[str], _position: int, _defect: dict[str, Any]) -> int:
    """Does nothing and is not."""
    mark()
    print("broken on purpose", file=sys.stderr)
    return 1


def forgive(whole: list[str], _position: int, _defect: dict[str, Any]) -> int:
    """Is content when the command was not."""
    if subprocess.run(whole).returncode:
        mark()
    return 0


def change_output(whole: list[str], _position: int, defect: dict[str, Any]) -> int:
    """Spoils the JSON that the command prints."""
    done = subprocess.run(whole, stdout=subprocess.PIPE)
    sys.stdout.write(changed_text(done.stdout.decode(), defect))
    return done.returncode


def also(whole: list[str], position: int, defect: dict[str, Any]) -> int:
    """Runs the command, then a script."""
    status = subprocess.run(whole).returncode
    names = {"RUNTIME": " ".join(whole[:position]), "ID": container_of(whole, position)}
    names["BUNDLE"] = value_of(whole, ("--bundle", "-b")) or "."
    subprocess.run(["/bin/sh", "-c", defect["value"]], env={**os.environ, **names}, stdout=subprocess.DEVNULL)
    mark()
    return status


BEFORE = {"config": change_config, "process": change_process}
INSTEAD = {"skip": skip, "refuse": refuse, "forgive": forgive, "output": change_output, "also": also}


def command_position(argv: list[str]) -> int:
    """Where in the arguments the command stands."""
    position = 0
    while position < len(argv) and argv[position].startswith("-"):
        position += 2 if argv[position] in WITH_VALUE else 1
    return position


def container_of(argv: list[str], position: int) -> str:
    """The container's id: the checks put it last, but for a signal after it and for exec."""
    words = argv[position + 1 :]
    if argv[position] == "kill":
        return next((word for word in words if not word.startswith("-")), "")
    return words[-1] if words else ""


def value_of(argv: list[str], names: tuple[str, ...]) -> "str | None":
    """The value of an option."""
    for index, word in enumerate(argv[:-1]):
        if word in names:
            return argv[index + 1]
    return None


def change_file(path: Path, defect: dict[str, Any]) -> None:
    """Spoils a JSON file in place."""
    path.write_text(changed_text(path.read_text(), defect))


def changed_text(text: str, defect: dict[str, Any]) -> str:
    """The JSON text with the defect; unchanged when it is no JSON or has no such place."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if not change(document, defect["pointer"], defect["value"], defect["remove"]):
        return text
    mark()
    return json.dumps(document)


def change(document: Any, pointer: str, value: Any, remove: bool) -> bool:
    """Replaces or removes what the JSON pointer names ("*": in every element of a list); whether anything changed."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return _change(document, parts, value, remove)


def _change(document: Any, parts: list[str], value: Any, remove: bool) -> bool:
    part, rest = parts[0], parts[1:]
    if isinstance(document, list) and part == "*":
        changes = [_change(document, [str(index), *rest], value, remove) for index in reversed(range(len(document)))]
        return True in changes
    key: Any = int(part) if isinstance(document, list) and part.isdigit() else part
    if isinstance(document, list):
        if not isinstance(key, int) or key >= len(document):
            return False
    elif not isinstance(document, dict) or (key not in document and (remove or rest)):
        return False
    if rest:
        return _change(document[key], rest, value, remove)
    if remove:
        del document[key]
        return True
    changed = key not in document if isinstance(document, dict) else False
    changed = changed or document[key] != value
    document[key] = value
    return changed


def mark() -> None:
    """Notes that the defect has come to bear."""
    Path(os.environ["CONFORMANCE_MARK"]).touch()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
