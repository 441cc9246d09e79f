"""Sequences of commands on one container: after each, its status, the phrases that engines look for, what it said."""

import json
import os
import re
import shutil
from typing import NamedTuple

from tests.differential import case
from tests.differential.case import Case
from tests.differential.generator import base
from tests.differential.observe import Facts
from tests.differential.runtimes import Runtime, ends
from tests.differential.world import World

PHRASES = (
    "does not exist",
    "already exists",
    "process already finished",
    "container not running",
    "no such process",
    "not paused",
    "is not stopped",
    "executable file not found in",
    "no such file or directory",
    "permission denied",
    "cannot start",
)
"""What engines look for in messages, and what else tells one reason from another."""

SAID = ("state", "ps --format json", "exec", "list --quiet")
"""Commands whose output is compared, too."""


class Sequence(NamedTuple):
    """Commands, one a line: @ is the container, % its bundle; `wait` waits until the container's process has ended."""

    name: str
    lines: str
    program: str = "exec sleep 1000"


CREATE = "create --bundle % @"
SEQUENCES = (
    Sequence(
        "life",
        """create --bundle % @|state @|start @|state @|kill @ KILL|wait|state @|delete @|state @|delete @""",
    ),
    Sequence("ends-by-itself", f"{CREATE}|start @|wait|state @|kill @ KILL|start @|delete @", "true"),
    Sequence("create-twice", f"{CREATE}|{CREATE}|run --bundle % @|state @|delete --force @"),
    Sequence("start-twice", f"{CREATE}|start @|start @|state @|delete --force @"),
    Sequence("delete-of-a-created-one", f"{CREATE}|delete @|state @"),
    Sequence("delete-of-a-running-one", f"{CREATE}|start @|delete @|state @|delete --force @|state @"),
    Sequence("delete-twice", f"{CREATE}|kill @ KILL|wait|delete @|delete @|delete --force @"),
    Sequence(
        "killed-before-start",
        f"{CREATE}|kill @ KILL|wait|state @|start @|exec @ /bin/busybox true|delete @",
    ),
    Sequence(
        "nothing-there",
        "start @|state @|kill @ KILL|delete @|delete --force @|exec @ true|pause @|resume @|ps @|events --stats @|"
        "update --pids-limit 5 @|kill --all @ KILL",
    ),
    Sequence(
        "exec",
        f"{CREATE}|exec @ /bin/busybox true|start @|exec @ /bin/busybox true|exec @ /bin/busybox false|"
        "exec @ no-such|exec @ /no/such|exec @ /bin/not-executable|exec @|exec --user 1000:5 @ /bin/busybox id|"
        "exec --cwd /no/such @ /bin/busybox true|exec --user nobody @ /bin/busybox id|"
        "exec --env A=b --cwd /tmp @ /bin/busybox pwd|exec --additional-gids 7 @ /bin/busybox id|"
        "exec --process /no/such @|kill @ KILL|wait|exec @ /bin/busybox true|delete @",
    ),
    Sequence(
        "pause",
        f"{CREATE}|pause @|state @|resume @|start @|resume @|pause @|state @|pause @|exec @ /bin/busybox true|"
        "ps --format json @|start @|delete @|resume @|state @|pause @|kill @ KILL|wait|state @|resume @|pause @|"
        "delete @",
    ),
    Sequence("force-of-a-paused-one", f"{CREATE}|start @|pause @|delete --force @|state @"),
    Sequence(
        "signals",
        f"{CREATE}|start @|kill @ 0|kill @ WINCH|kill @ SIGWINCH|kill @ 28|kill @ winch|kill @ NONSENSE|kill @ 1000|"
        "kill @ -1|kill --all @ WINCH|kill @ 9|wait|kill @ 9|kill @|kill --all @ 9|kill @ NONSENSE|delete @",
    ),
    Sequence("run", "run --bundle % @|state @", "exit 42"),
    Sequence("run-killed", "run --bundle % @|state @", "kill -9 $$; sleep 9"),
    Sequence("run-detached", "run --detach --bundle % @|state @|run --bundle % @|delete --force @"),
    Sequence(
        "queries",
        f"{CREATE}|ps @|start @|ps @|ps --format json @|ps --format nonsense @|ps @ -o pid|events --stats @|list|"
        "list --quiet|list --format json|list --format nonsense|features|--version|--help|create --help|"
        "kill @ KILL|wait|ps @|events --stats @|delete @",
    ),
    Sequence(
        "update",
        f"{CREATE}|update --memory 67108864 @|update --memory 64m @|update --memory nonsense @|start @|"
        "update --pids-limit 50 --cpu-share 100 @|update --cpuset-cpus 1000 @|update --nonsense @|"
        "update --resources /no/such @|update @|kill @ KILL|wait|update --pids-limit 5 @|delete @",
    ),
    Sequence(
        "words",
        "nonsense|create|start|state|kill|delete|exec|create --nonsense a|--nonsense|create --bundle /no/such @|"
        "create --bundle %/volume @|create --bundle % a b|create --bundle % a/b|create --bundle % ..|"
        "create --bundle % .|create --bundle % a:b|create --bundle % a\u00e4|state a b|start a b|"
        "--log-format nonsense state a|spec --bundle /no/such|resume|pause|ps|update|events|list a",
    ),
)


def follow(sequence: Sequence, runtime: Runtime, world: World) -> Facts:
    """Runs a sequence; facts of each command by its number and words."""
    folder = world.folder / f"sequence-{sequence.name}"
    folder.mkdir(exist_ok=True)
    config = base(sequence.name).config
    config["process"]["args"] = ["/bin/busybox", "sh", "-c", sequence.program]
    given = Case(f"sequence-{sequence.name}", config)
    bundle = case.write(given, runtime.name, folder, world.template, world.words)
    name = case.container_id(given, runtime.name)
    facts: Facts = {}
    try:
        for number, line in enumerate(sequence.lines.split("|")):
            if line == "wait":
                wait(runtime, name)
                continue
            arguments = [word.replace("%", str(bundle)).replace("@", name) for word in line.split()]
            result = runtime(*arguments)
            text = result.stderr.lower()
            key = f"{sequence.name} {number} {line}:"
            facts[f"{key} status"] = result.status
            facts[f"{key} phrases"] = [phrase for phrase in PHRASES if phrase in text]
            if line.startswith(SAID) and not result.status:
                facts[f"{key} output"] = meaning(line, result.stdout.replace(name, "ID"))
    finally:
        runtime("delete", "--force", name)
        shutil.rmtree(bundle)
    return facts


def meaning(line: str, text: str) -> str:
    """Output without what differs from run to run."""
    if line.startswith("state"):
        return str(json.loads(text)["status"])
    return re.sub(r"\d{3,}", "N", text)


def wait(runtime: Runtime, name: str) -> None:
    """Waits until the container's process has ended, and reaps it: it is ours since its maker ended."""
    pid = json.loads(runtime("state", name).stdout)["pid"]
    if pid:
        assert ends(pid, 10), f"{runtime.name}: {name} does not end"
        os.waitpid(pid, 0)
