"""The files of engines: with pyrunc they say the same and pyrunc; without it again they are what they were.

An input's first byte chooses the engine and what is asked for; the rest is the file.
"""

import copy
import json
import tomllib
from random import Random
from types import ModuleType
from typing import Any

from pyrunc.engine_setup import Wanted, containerd, docker, podman
from pyrunc.errors import PyruncError
from tests.fuzz import mutate
from tests.fuzz.target import Target

ENGINES: tuple[ModuleType, ...] = (docker, containerd, podman)
COMMANDS = ("/usr/local/bin/pyrunc", '/opt/ä "b"/py\\runc')
DAEMON = """{
  "runtimes": {
    "nvidia": {"path": "/usr/bin/nvidia-container-runtime", "runtimeArgs": []}
  },
  "log-driver": "json-file", "features": {"buildkit": true},
\t"exec-opts": ["native.cgroupdriver=systemd"]
}
"""
CONFIG = """version = 2
# containerd
root = "/var/lib/containerd"
imports = ["/etc/containerd/conf.d/*.toml"]
[debug]
  level = 'info'
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "k8s.gcr.io/pause:3.6"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
        runtime_type = "io.containerd.runc.v2"
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
          SystemdCgroup = true
[[stream_processors]]
  args = ["a",
    "b"]
"""
WORDS = (
    '"runtimes"', '"pyrunc"', '"default-runtime"', '"path"', "{}", "{", "}", ",", ":", "[", "]", '""', "//", "/**/",
    "[plugins]", "[[plugins]]", 'plugins."io.containerd.grpc.v1.cri"', "plugins.'io.containerd.cri.v1.runtime'",
    ".containerd", ".runtimes", ".runc", ".options", "default_runtime_name = ", '"""', "'''", "# ", "\r\n", "\n",
    "version = 3\n", "version = 1\n", 'disabled_plugins = ["cri"]\n', "= {}", "BinaryName = ", "SystemdCgroup = true\n",
    containerd.BEGIN, containerd.END, containerd.LINE, containerd.WAS, "\x7f", "\u2028", "1979-05-27", "nan", "0x1",
)  # fmt: skip


class SetupTarget(Target):
    """Files of engines."""

    name = "setup"
    words = WORDS

    def seeds(self) -> list[bytes]:
        """Files as they are found, and as setup leaves them."""
        found = [bytes([0]) + DAEMON.encode(), b"\0{}", b'\0 {"dns": []}\n', bytes([1]) + CONFIG.encode(), b"\1"]
        found.append(
            bytes([1])
            + CONFIG.replace("version = 2", "version = 3")
            .replace(containerd.SECTIONS[2], containerd.SECTIONS[3])
            .encode()
        )
        found.append(b"\1version = 2\n")
        for choice in range(24):
            engine, wanted = chosen(choice)
            for text in (None, DAEMON if engine is docker else CONFIG):
                try:
                    new = engine.setup(text, wanted).text
                except PyruncError:
                    continue
                found.append(bytes([choice]) + (new or "").encode())
        return found

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Bytes, and lines exchanged, repeated or taken out."""
        if not data or random.randrange(8) == 0:
            data = bytes([random.randrange(24)]) + data[1:]
        if random.randrange(2):
            return data[:1] + mutate.octets(data[1:], random, self.words)
        lines = data[1:].split(b"\n")
        for _ in range(random.choice((1, 1, 2, 5))):
            place, other = random.randrange(len(lines)), random.randrange(len(lines))
            how = random.randrange(5)
            if how == 0 and len(lines) > 1:
                del lines[place]
            elif how == 1:
                lines.insert(other, lines[place])
            elif how == 2:
                lines[place], lines[other] = lines[other], lines[place]
            elif how == 3:
                lines.insert(place, random.choice(self.words).strip("\n").encode())
            else:
                lines[place] = mutate.octets(lines[place], random, self.words)
        return data[:1] + b"\n".join(lines)

    def check(self, data: bytes) -> str:
        """One file."""
        engine, wanted = chosen(data[0] if data else 0)
        try:
            text = data[1:].decode()
        except UnicodeDecodeError:
            return "no UTF-8"  # refused when it is read
        before = parsed(engine, text)
        undone = self.undo(engine, text, before)
        try:
            new = engine.setup(text, wanted).text
        except PyruncError as error:
            assert error.reason, "no words"
            return f"{engine.NAME} {engine.__name__[-6:]} refused: {error.reason[:24]} {undone}"
        assert before is not None, "what cannot be read is added to"
        after = parsed(engine, new)
        assert after is not None, f"what is written cannot be read: {new!r}"
        self.says(engine, before, after, wanted)
        assert engine.setup(new, wanted).text == new, "the second time changes it again"
        if not mentions(engine, before) and undone == "undo: nothing":
            back = engine.undo(new)
            assert back.text == text, f"undone it is {back.text!r}, and was {text!r}"
            assert not back.notes, f"undone with notes: {back.notes}"
        else:
            self.undo(engine, new, after)
        return f"{engine.__name__[-6:]} set up {undone} {wanted.default} {len(before)}"

    def undo(self, engine: ModuleType, text: str, before: Any) -> str:
        """undo of a file that setup may never have seen: refused, or what is left says the same without pyrunc."""
        try:
            undone = engine.undo(text)
        except PyruncError as error:
            return f"undo: {error.reason[:16]}"
        if undone.text == text:
            return "undo: nothing"
        assert before is not None, "what cannot be read is changed"
        if undone.text is None:
            return "undo: no file"
        after = parsed(engine, undone.text)
        assert after is not None, f"what is left cannot be read: {undone.text!r}"
        assert without(engine, after) == without(engine, before), f"undo changes more: {before}, then {after}"
        return "undo: changed"

    def says(self, engine: ModuleType, before: Any, after: Any, wanted: Wanted) -> None:
        """The new file has pyrunc, as it is wanted, and says all else that it said."""
        if engine is docker:
            assert after["runtimes"]["pyrunc"] == {"path": wanted.command}, "another entry"
            assert not wanted.default or after["default-runtime"] == "pyrunc", "not the default"
        elif engine is podman:
            assert after["engine"]["runtimes"]["pyrunc"] == [wanted.command], "another entry"
            return
        else:
            cri = after["plugins"][containerd.SECTIONS[after["version"]]]["containerd"]
            assert cri["runtimes"]["pyrunc"]["options"]["BinaryName"] == wanted.command, "another entry"
            assert not wanted.default or cri["default_runtime_name"] == "pyrunc", "not the default"
        assert without(engine, after) == without(engine, before), "all else is not the same"


def chosen(number: int) -> tuple[ModuleType, Wanted]:
    """The engine, and what is asked for, of an input's first byte."""
    number, engine = divmod(number, 3)
    return ENGINES[engine], Wanted(COMMANDS[number >> 2 & 1], bool(number & 1), bool(number & 2))


def parsed(engine: ModuleType, text: "str | None") -> Any:
    """What the engine reads; None when it cannot."""
    if text is None:
        return {}
    try:
        return json.loads(text) if engine is docker else tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def mentions(engine: ModuleType, data: Any) -> bool:
    """Whether pyrunc is in it already, or is the default."""
    return bool(without(engine, data) != pruned(data))


def without(engine: ModuleType, data: Any) -> Any:
    """The data without pyrunc, without a default, and without the objects that held nothing else."""
    data = copy.deepcopy(data)
    places = [data]
    if engine is containerd:
        data.pop("version", None)
        plugins = data.get("plugins")
        sections = plugins.values() if isinstance(plugins, dict) else ()
        places = [
            section["containerd"] for section in sections if isinstance(section, dict) and "containerd" in section
        ]
    for place in places:
        if not isinstance(place, dict):
            continue
        for name in ("default-runtime", "default_runtime_name"):
            place.pop(name, None)
        runtimes = place.get("runtimes")
        if isinstance(runtimes, dict):
            runtimes.pop("pyrunc", None)
            # The first runtime that is named displaces the built-in one, so that is written, too.
            if engine is containerd and runtimes.get("runc") == {"runtime_type": containerd.TYPE}:
                del runtimes["runc"]
    return pruned(data)


def pruned(data: Any) -> Any:
    """Without empty objects, and their objects if they held nothing else."""
    if not isinstance(data, dict):
        return repr(data)  # nan is not equal to itself
    members = {name: pruned(value) for name, value in data.items()}
    return {name: value for name, value in members.items() if value != {}}
