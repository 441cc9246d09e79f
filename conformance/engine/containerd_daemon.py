"""containerd as docker, ctr and the CRI plugin use it: one of our own, with state below the engine's folder."""

from pathlib import Path

from conformance.engine.base import Engine, until
from conformance.engine.operation import CannotRun

CONFIGURATION = """\
version = 2
root = "{folder}/containerd"
state = "{folder}/run/containerd"
{more}
[grpc]
  address = "{socket}"
"""
NO_CRI = 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'


def search_path(engine: Engine) -> str:
    """A PATH on which the runtime comes first under the name `runc`.

    Its shim (of `ctr --uidmap` at least, which forgets --runc-binary) and BuildKit look for that name, whatever the
    configuration says.
    """
    folder = engine.folder / "bin"
    folder.mkdir(exist_ok=True)
    link = folder / "runc"
    if not link.exists():
        link.symlink_to(engine.runtime)
    return f"{folder}:{engine.environment['PATH']}"


def start_containerd(engine: Engine, more: str = NO_CRI, tables: str = "") -> Path:
    """Starts containerd with these lines in its configuration; its socket.  Raises CannotRun when it ends at once."""
    engine.needs("containerd", "containerd-shim-runc-v2")
    (engine.folder / "run").mkdir(exist_ok=True)
    socket = engine.folder / "run/containerd.sock"
    text = CONFIGURATION.format(folder=engine.folder, socket=socket, more=more) + tables
    configuration = engine.file("containerd.toml", text)
    started = engine.daemon("containerd", "--config", str(configuration), env={"PATH": search_path(engine)})
    until(lambda: started.poll() is not None or socket.exists(), "containerd's socket", 30)
    if started.poll() is not None:
        log = (engine.folder / "containerd.log").read_text(errors="replace").strip().splitlines()
        raise CannotRun(f"containerd does not start: {log[-1] if log else ''}")
    return socket
