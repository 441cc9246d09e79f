"""The CRI: streams, as `kubectl exec`, `attach` and `port-forward` use them, over WebSockets."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conformance.engine.base import run, told
from conformance.engine.cri import PYTHON, Cri, Pod
from conformance.engine.cri_operations import LOOP
from conformance.engine.operation import CannotRun, operation

CLIENT = Path(__file__).with_name("cri_stream.py")
INPUT, OUTPUT, ERRORS, STATUS, SIZE = range(5)  # channels
DATA, PROBLEMS = range(2)  # channels of a forwarded port
Sent = Sequence[tuple[int, str]]


class Said(NamedTuple):
    """What a command has written.  status: the JSON at its end."""

    output: str
    errors: str
    status: "dict[str, Any]"


def stream(
    cri: Cri, method: str, asked: "dict[str, Any]", *, query: str = "", send: Sent = (), until: str = ""
) -> dict[int, str]:
    """Asks for a stream, sends (channel, text), and reads to its end or up to a text; what each channel said."""
    if subprocess.run([PYTHON, "-c", "import websocket"], capture_output=True).returncode != 0:
        raise CannotRun(f"{PYTHON} has no WebSockets (python3-websocket)")
    url = str(cri.ask(method, **asked).url).replace("http://", "ws://") + query
    sent = json.dumps({"send": send, "until": until})
    done = run([PYTHON, str(CLIENT), url], timeout=60, input=sent, env=cri.environment, cwd=cri.folder)
    assert done.returncode == 0, told(done)
    return {int(channel): text for channel, text in json.loads(done.stdout).items()}


def execute(cri: Cri, container: str, *command: str, send: Sent = (), tty: bool = False) -> Said:
    """What a command says to what is sent to it."""
    asked = {"container_id": container, "cmd": command, "tty": tty, "stdin": bool(send)}
    said = stream(cri, "Exec", {**asked, "stdout": True, "stderr": not tty}, send=send)
    return Said(said.get(OUTPUT, ""), said.get(ERRORS, ""), json.loads(said[STATUS]))


@operation("cri", "Exec: streams and status", core=True)
def streams(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start(*LOOP)
        said = execute(cri, container, "sh", "-c", "echo one; echo two >&2; exit 9")
        assert (said.output, said.errors) == ("one\n", "two\n")
        assert said.status["details"]["causes"][0] == {"reason": "ExitCode", "message": "9"}, said.status
        said = execute(cri, container, "sh", "-c", "read word; echo got $word", send=[(INPUT, "typed\n")])
        assert said.output == "got typed\n"
        assert said.status["status"] == "Success"


@operation("cri", "Exec: a terminal and its size")
def terminal(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start(*LOOP)
        script = "tty; read word; stty size"
        sent = [(SIZE, json.dumps({"Width": 77, "Height": 33})), (INPUT, "typed\n")]
        said = execute(cri, container, "sh", "-c", f"sleep 0.3; {script}", tty=True, send=sent)
        assert said.output.split() == ["typed", "/dev/pts/0", "33", "77"], said.output


@operation("cri", "Attach", core=True)
def attach(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start("sh", "-c", "while read word; do echo got $word; done", stdin=True)
        asked = {"container_id": container, "stdin": True, "stdout": True, "stderr": True}
        said = stream(cri, "Attach", asked, send=[(INPUT, "typed\n")], until="got typed")
        assert said[OUTPUT] == "got typed\n"
        assert pod.log(container) == "got typed\n"


@operation("cri", "PortForward", core=True)
def port_forward(cri: Cri) -> None:
    with Pod(cri) as pod:
        container = pod.start("sh", "-c", "echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp")
        pod.execute(container, "sh", "-c", "until netstat -lnt | grep -q ':80 '; do sleep 0.1; done")
        request = [(DATA, "GET / HTTP/1.0\r\n\r\n")]
        asked = {"pod_sandbox_id": pod.id, "port": [80]}
        said = stream(cri, "PortForward", asked, query="?port=80", send=request, until="served\n")
        assert said[DATA].endswith("\r\n\r\nserved\n"), said
        assert said.get(PROBLEMS, "")[2:] == ""  # after the port
