"""The helper's protocol in tests: the constants of message.h, the decoder built with sanitizers, the real helper."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyrunc import helper, launch
from pyrunc.helper import Channel
from pyrunc.setup import Setup
from tests.support import processes

CHECKOUT = Path(__file__).resolve().parent.parent.parent
HEADER = CHECKOUT / "csrc" / "message.h"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
COMPILE = ["gcc", "-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
DECODING = [CHECKOUT / "csrc" / "message.c", CHECKOUT / "csrc" / "init_setup.c"]


def constants() -> dict[str, int]:
    """Every number of message.h: its #defines and the members of its enums."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    found: dict[str, int] = {}
    for name, value in re.findall(r"^#define (MESSAGE_\w+) (.+)$", text, flags=re.M):
        number, _, shift = value.strip("() ").partition("<<")
        found[name] = int(number.strip().rstrip("u"), 0) << int(shift or "0")
    for body in re.findall(r"enum \w+ \{(.*?)\}", text, flags=re.S):
        found |= {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", body)}
    return found


def build(source: Path, target: Path, *flags: str) -> Path:
    """Compiles a test program with the helper's own decoder and gcc's sanitizers."""
    command = [*COMPILE, *SANITIZE, *flags, "-o", target, source, *DECODING]
    subprocess.run([str(part) for part in command], check=True)
    return target


class Decoder:
    """tests/support/decode_message.c as a running program; one of its faults is an AssertionError with its report."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.start()

    def start(self) -> None:
        """Starts it, again after a fault."""
        self.process = subprocess.Popen(
            [self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __call__(self, message: bytes) -> dict[str, Any]:
        """What the helper makes of a whole message; {"error": [errno, step, reason]} when it refuses it."""
        stdin, stdout, stderr = self.process.stdin, self.process.stdout, self.process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        stdin.write(len(message).to_bytes(4, sys.byteorder) + message)
        stdin.flush()
        line = stdout.readline()
        if not line:
            report = stderr.read().decode(errors="replace")
            self.close()
            self.start()
            raise AssertionError(f"the decoder failed for {message[:4096]!r}:\n{report}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends it; a leak that the sanitizer found is an AssertionError."""
        _, report = self.process.communicate()
        assert self.process.returncode == 0 or report, self.process.returncode
        assert not report, report.decode(errors="replace")


class RealHelper:
    """A pyrunc-init outside of any container, at the other end of a Channel; a context manager that ends it."""

    def __init__(self, flags: int = 0) -> None:
        self.helper = launch.spawn_with(flags)
        self.pid = self.helper.pid

    @property
    def channel(self) -> Channel:
        """Our end of its socket."""
        return self.helper.channel

    def __enter__(self) -> "RealHelper":
        return self

    def __exit__(self, *_error: object) -> None:
        self.helper.kill()

    def descriptors(self) -> dict[int, str]:
        """What it has open: number and target."""
        folder = f"/proc/{self.pid}/fd"
        return {int(name): os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}

    def has_ended(self, timeout: float = processes.PATIENCE) -> int:
        """Waits until it has ended by itself; its exit status."""
        return processes.wait_exit(self.pid, timeout)


def decoder_program(folder: Path) -> Path:
    """The decoder, built once in the session's folder."""
    target = folder / "decode_message"
    return target if target.exists() else build(CHECKOUT / "tests" / "support" / "decode_message.c", target)


class Sent:
    """Takes the place of a Channel: keeps the message that would be sent."""

    def __init__(self) -> None:
        self.message = b""

    def send(self, type: int, records: Iterable[bytes] = (), fds: "Sequence[int]" = ()) -> None:
        """As Channel.send."""
        self.message = helper.message(type, records, len(fds))


def message_of(setup: Setup) -> bytes:
    """The message that the set-up would be sent as."""
    sent = Sent()
    setup.send(sent)  # type: ignore[arg-type]
    return sent.message


def smallest(*program: str) -> Setup:
    """A set-up with nothing but what every one has: the ids of root, no capability, a program."""
    setup = Setup()
    setup.records.append(helper.record(helper.TAG_IDS, helper.u32(0, 0)))
    setup.records.append(helper.record(helper.TAG_CAPABILITIES, helper.u64(0, 0, 0, 0, 0)))
    for argument in program or ("/bin/true",):
        setup.add_string(helper.TAG_ARG, argument)
    return setup


def sample() -> bytes:
    """A message with every record."""
    setup = smallest()
    process = SimpleNamespace(
        uid=1, gid=2, cwd="/", args=["a", "b"], env=["A=b"], rlimits=[(7, 1, 2)], umask=18, personality=0,
        io_priority=1, scheduler=(0, 0, 1, 0, 0, 0, 0), memory_policy=(2, [0, 64]), no_new_privs=True,
    )  # fmt: skip
    setup.records = setup.records[1:]
    setup.add_process(process)  # type: ignore[arg-type]
    for tag in (helper.TAG_HOSTNAME, helper.TAG_DOMAINNAME, helper.TAG_KEYRING, helper.TAG_KEY_LABEL):
        setup.add_string(tag, "name")
    setup.add_number(helper.TAG_ROOT_PROPAGATION, 1 << 18)
    setup.add_sysctl("kernel/hostname", "x")
    setup.add_label("exec", "label")
    setup.add_groups([1, 2, 3])
    setup.add_terminal((24, 80), True)
    setup.add_affinity([0, 1])
    setup.add_seccomp(SimpleNamespace(flags=0, program=bytes(16)))  # type: ignore[arg-type]
    setup.add_hooks([{"path": "/x", "args": ["x", "y"], "timeout": 3}, {"path": "/y"}], "{}", ["E=f"])
    setup.records.append(helper.record(helper.TAG_NO_SETSID))
    for kind in (helper.FD_PIVOT, helper.FD_LISTENER, helper.FD_PRESERVE):
        setup.add_fd(kind, 5)
    return message_of(setup)
