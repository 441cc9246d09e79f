"""containerd: a marked block at the end of /etc/containerd/config.toml, all else in it left as it is.

Not a file of its own that `imports` names: before version 2.0 containerd takes the section of a plugin from the file
that is imported last and forgets what the others say of it (the CNI directories, for example).

default_runtime_name belongs into a table that the file may have: then the line is put, or replaced, there, and a
comment behind it says so.  Every result is read again: what it says must be what was there and what was added.
"""

import copy
import re
from typing import Any

from pyrunc.engine_setup import NAME, Planned, Wanted, changed, differs, quoted
from pyrunc.engine_setup.toml import parse, table
from pyrunc.errors import PyruncError

FILE = "/etc/containerd/config.toml"

RESTART = "to make it so: systemctl restart containerd (with other service managers: restart it); containers go on"

# What the CRI plugin's section with the runtimes is called, by the file's version.
SECTIONS = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}

SIGNATURE = "written by `pyrunc setup containerd`"
BEGIN = f"# >>> {SIGNATURE}; --undo removes it >>>\n"
END = f"# <<< {SIGNATURE} <<<\n"

DEFAULT = "default_runtime_name"
LINE = f'{DEFAULT} = "{NAME}" # by pyrunc setup'
WAS = ", before: "
OUR_LINE = re.compile(r"[ \t]*" + re.escape(LINE) + f"(?:{WAS}(.*))?")

# The keys that setup may write, without the section's name.
OURS = (
    ("version",),
    ("plugins", "containerd", DEFAULT),
    ("plugins", "containerd", "runtimes", NAME),
)
RUNC = ("plugins", "containerd", "runtimes", "runc")

TYPE = "io.containerd.runc.v2"


def setup(text: str | None, wanted: Wanted) -> Planned:
    """The file with pyrunc as it is wanted.

    Raises PyruncError for what is no TOML, of a version that is not known, set otherwise, or not to be extended.
    """
    base = text
    if text is not None and BEGIN in text:
        there = _written(text)
        if there.command != wanted.command:
            raise differs(f"the runtime {NAME}", "containerd")
        wanted = wanted._replace(default=wanted.default or there.default)
        base = undo(text).text
    data = parse(base or "")
    version = data.get("version", 1) if data else 2
    section = SECTIONS.get(version) if isinstance(version, int) else None
    if section is None:
        hint = "pyrunc knows 2 and 3; `containerd config migrate` prints a file in the newest"
        raise PyruncError(f"is of version {version!r}", hint=hint)
    cri = table(data, "plugins", section, "containerd")
    if NAME in table(cri, "runtimes"):
        path = table(cri, "runtimes", NAME, "options").get("BinaryName")
        if path == wanted.command and (cri.get(DEFAULT) == NAME or not wanted.default):
            return Planned(text)
        raise differs(f"the runtime {NAME}", "containerd")
    runc = table(cri, "runtimes", "runc", "options").get("SystemdCgroup") is True
    new, in_block = base or "", False
    if wanted.default and cri.get(DEFAULT) != NAME:
        new, in_block = _with_default(new, section)
    alone = not table(cri, "runtimes")
    block = _block("" if data else "version = 2\n", section, wanted.command, runc, in_block, alone)
    new = block if base is None else f"{new}\n{block}"
    expected = _expected(data, section, wanted, runc, alone)
    if _loads(new) != expected or undo(new).text != base:
        hint = f"nothing was changed; write by hand what this shows:\n{block}"
        raise PyruncError("is written in a way that cannot be added to (inline tables, perhaps)", hint=hint)
    return Planned(new, tuple(_notes(data, wanted, runc)))


def undo(text: str) -> Planned:
    """The file without what setup wrote.  Raises PyruncError when that was changed since."""
    if BEGIN not in text:
        if SIGNATURE in text or LINE in text:
            raise changed("the block")
        return Planned(text)
    _written(text)
    start, end = text.index(BEGIN), text.index(END) + len(END)
    # The block of a file that was there has one line break before it, which is ours.
    rest = text[: max(start - 1, 0)] + text[end:]
    if not start and not rest:
        return Planned(None)
    lines = []
    for line in rest.split("\n"):
        ours = OUR_LINE.fullmatch(line.rstrip("\r") if WAS not in line else line)
        if ours is None:
            lines.append(line)
        elif ours[1] is not None:
            lines.append(ours[1])
    rest = "\n".join(lines)
    keys = (*OURS, RUNC) if RUNC[-1] in _runtimes(text[start:end]) else OURS
    if _foreign(parse(text), keys) != _foreign(_loads(rest), keys):
        raise changed("what is around the block")
    if any(table(_loads(rest), "plugins", name, "containerd").get(DEFAULT) == NAME for name in SECTIONS.values()):
        return Planned(rest, (f"{DEFAULT} still is {NAME}, not in the way that setup writes it: change it by hand",))
    return Planned(rest)


def _written(text: str) -> Wanted:
    """What setup was asked for when it wrote the block.  Raises PyruncError when the block was changed since."""
    data = parse(text)
    start, end = text.index(BEGIN), text.find(END)
    what = f"the block in line {text.count(chr(10), 0, start) + 1}"
    if end < start or text.count(BEGIN) != 1 or text.count(END) != 1 or (start and text[start - 1] != "\n"):
        raise changed(what)
    body = text[start : end + len(END)]
    said = _loads(body) or {}
    section = next(iter(table(said, "plugins")), "")
    cri = table(said, "plugins", section, "containerd")
    alone = RUNC[-1] in table(cri, "runtimes")
    options = table(cri, "runtimes", NAME, "options")
    command, systemd = options.get("BinaryName"), options.get("SystemdCgroup") is True
    if not isinstance(command, str):
        raise changed(what)
    version = "version = 2\n" if "version" in said else ""
    if _block(version, section, command, systemd, DEFAULT in cri, alone) != body:
        raise changed(what)
    default = table(data, "plugins", section, "containerd").get(DEFAULT) == NAME
    if not default and LINE in text:
        raise changed(DEFAULT)
    return Wanted(command, default, systemd)


def _runtimes(block: str) -> dict[str, Any]:
    plugins = table(_loads(block), "plugins")
    return table(plugins, next(iter(plugins), ""), "containerd", "runtimes")


def _block(version: str, section: str, command: str, systemd: bool, default: bool, alone: bool) -> str:
    """What is added.  alone: the file has no runtimes; the first one displaces the built-in runc, so that is added."""
    path = f'plugins."{section}".containerd'
    head = f'[{path}]\n  {DEFAULT} = "{NAME}"\n' if default else ""
    if alone:
        head += f'[{path}.runtimes.runc]\n  runtime_type = "{TYPE}"\n'
    return (
        f"{BEGIN}{version}{head}"
        f'[{path}.runtimes.{NAME}]\n  runtime_type = "{TYPE}"\n'
        f"[{path}.runtimes.{NAME}.options]\n  BinaryName = {quoted(command)}\n"
        f"  SystemdCgroup = {'true' if systemd else 'false'}\n{END}"
    )


def _with_default(text: str, section: str) -> tuple[str, bool]:
    """The text with the default set in the table that is there, or (text, True): there is none, the block has it."""
    lines = text.split("\n")
    path: dict[str, Any] = {"plugins": {section: {"containerd": {}}}}
    headers = (n for n, line in enumerate(lines) if line.lstrip().startswith("[") and _loads(line.strip()) == path)
    number = next(headers, None)
    if number is None:
        return text, True
    line = lines[number]
    indent = line[: len(line) - len(line.lstrip())] + "  "
    for later in range(number + 1, len(lines)):
        if lines[later].lstrip().startswith("["):
            break
        if re.match(rf"[ \t]*{DEFAULT}[ \t]*=", lines[later]):
            lines[later] = f"{indent}{LINE}{WAS}{lines[later]}"
            return "\n".join(lines), False
    lines.insert(number + 1, indent + LINE)
    return "\n".join(lines), False


def _loads(text: str) -> dict[str, Any] | None:
    try:
        return parse(text)
    except PyruncError:
        return None


def _expected(data: dict[str, Any], section: str, wanted: Wanted, systemd: bool, alone: bool) -> dict[str, Any]:
    """What the file is to say: what it says, and pyrunc."""
    expected = copy.deepcopy(data) or {"version": 2}
    place = expected
    for name in ("plugins", section, "containerd", "runtimes"):
        if name == "runtimes" and wanted.default:
            place[DEFAULT] = NAME
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise PyruncError(f"{name} is no table", hint="nothing was changed")
    options = {"BinaryName": wanted.command, "SystemdCgroup": systemd}
    if alone:
        place[RUNC[-1]] = {"runtime_type": TYPE}
    place[NAME] = {"runtime_type": TYPE, "options": options}
    return expected


def _foreign(data: Any, ours: tuple[tuple[str, ...], ...], path: tuple[str, ...] = ()) -> Any:
    """The data without what setup may have set, and without tables that are empty then."""
    if not isinstance(data, dict):
        return data
    found = {}
    for name, value in data.items():
        if (*path[:1], *path[2:], name) in ours:
            continue
        rest = _foreign(value, ours, (*path, name))
        if rest != {}:
            found[name] = rest
    return found


def _notes(data: dict[str, Any], wanted: Wanted, systemd: bool) -> list[str]:
    notes = []
    disabled = data.get("disabled_plugins")
    if isinstance(disabled, list) and {"cri", *SECTIONS.values()} & {str(name) for name in disabled}:
        notes.append("the file disables the CRI plugin (disabled_plugins), so nobody asks for this runtime")
    if data.get("imports"):
        notes.append(
            "before containerd 2.0 a file that `imports` names replaces the plugin's whole section, pyrunc included"
        )
    if wanted.systemd and not systemd:
        notes.append("SystemdCgroup is false, as for runc in this file; kubelet's cgroupDriver must say the same")
    return notes
