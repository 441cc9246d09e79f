"""docker: members of /etc/docker/daemon.json (dockerd(8)), all else in it left as it is."""

from collections.abc import Iterator

from pyrunc.engine_setup import NAME, Planned, Wanted, changed, differs, json_text, quoted
from pyrunc.errors import PyruncError

FILE = "/etc/docker/daemon.json"
DEFAULT = "default-runtime"

RESTART = (
    "to make it so: systemctl restart docker (with other service managers: restart dockerd)\n"
    "containers stop with it unless live-restore is on, and keep the runtime they were made with"
)


def setup(text: str | None, wanted: Wanted) -> Planned:
    """The file with pyrunc as it is wanted.  Raises PyruncError for what is no JSON, or is set otherwise."""
    if text is None or text == _new_file(wanted._replace(default=False)):
        return Planned(_new_file(wanted))
    data = json_text.parse(text)
    value = {"path": wanted.command}
    runtimes = data.get("runtimes", {})
    if not isinstance(runtimes, dict):
        raise PyruncError("runtimes is no object", hint="nothing was changed")
    if runtimes.get(NAME, value) != value:
        raise differs(f"runtimes.{NAME}", "docker")
    if wanted.default and data.get(DEFAULT, NAME) != NAME:
        raise differs(DEFAULT, "docker")
    start = json_text.space(text, 0)
    path = quoted(wanted.command)
    # Whether the object "runtimes" is ours is told, when it is undone, by the spaces within pyrunc's entry.
    if "runtimes" not in data:
        text = json_text.insert(text, start, f'"runtimes": {{"{NAME}": {{"path": {path}}}}}')
    elif NAME not in runtimes:
        text = json_text.insert(text, _runtimes(text).value_start, f'"{NAME}": {{ "path": {path} }}')
    if wanted.default and DEFAULT not in data:
        text = json_text.insert(text, start, f'"{DEFAULT}": "{NAME}"')
    return Planned(text)


def undo(text: str) -> Planned:
    """The file without pyrunc.  Raises PyruncError when its entry is not as setup wrote it."""
    data = json_text.parse(text)
    runtimes = data.get("runtimes")
    there = isinstance(runtimes, dict) and NAME in runtimes
    default = data.get(DEFAULT) == NAME
    if not there:
        # Somebody took the entry out and left the default, with which dockerd does not start.
        return Planned(json_text.remove(text, json_text.space(text, 0), DEFAULT) if default else text)
    entry = runtimes[NAME] if isinstance(runtimes, dict) else None
    if not isinstance(entry, dict) or list(entry) != ["path"] or not isinstance(entry["path"], str):
        raise changed(f"runtimes.{NAME}")
    wanted = Wanted(entry["path"], default, False)
    without = list(_without(text, wanted))
    for candidate in without:
        # What gives this very text when it is set up is what was there before.
        if setup(candidate, wanted).text == text:
            return Planned(candidate)
    return Planned(without[-1], ("the file was laid out anew since, so it may differ in spaces from what it was",))


def _without(text: str, wanted: Wanted) -> Iterator[str | None]:
    """What the file may have been before setup; the last one is right however it is laid out by now."""
    if text == _new_file(wanted):
        yield None
    start = json_text.space(text, 0)
    if wanted.default:
        text = json_text.remove(text, start, DEFAULT)
    runtimes = _runtimes(text)
    yield json_text.remove(text, runtimes.value_start, NAME)
    if len(runtimes.value) == 1:
        yield json_text.remove(text, start, "runtimes")


def _runtimes(text: str) -> json_text.Member:
    return next(member for member in json_text.members(text, json_text.space(text, 0)) if member.name == "runtimes")


def _new_file(wanted: Wanted) -> str:
    """A file with nothing else, laid out so that no other file becomes this text by being set up."""
    entry = f'    "{NAME}": {{\n      "path": {quoted(wanted.command)}\n    }}'
    default = f',\n  "{DEFAULT}": "{NAME}"' if wanted.default else ""
    return f'{{\n  "runtimes": {{\n{entry}\n  }}{default}\n}}\n'
