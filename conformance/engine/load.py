"""podman and docker: many containers at the same time, and nothing of them in the end."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from conformance.engine.base import CGROUPS, processes_with, until
from conformance.engine.containers import ContainerEngine
from conformance.engine.operation import operation

COUNT = 50
CALLS = 8  # of the engine at the same time
PROGRAM = ("sleep", "87654")


def each(action: Callable[[str], object], values: Sequence[str]) -> list[object]:
    """The action's results for all values, some at the same time.  Raises what the first that fails raises."""
    with ThreadPoolExecutor(CALLS) as pool:
        return list(pool.map(action, values))


@operation("podman docker", f"{COUNT} containers at once: start, exec, remove")
def fifty(engine: ContainerEngine) -> None:
    names = [engine.new_name() for _ in range(COUNT)]
    each(lambda name: engine.ok("run", "--detach", "--name", name, "--network", "none", "img", *PROGRAM), names)
    running = engine.ok("ps", "--format", "{{.Names}}").split()
    assert set(names) <= set(running), f"only {len(set(names) & set(running))} of {COUNT} run"
    ids = engine.ok("ps", "--quiet", "--no-trunc").split()
    told = each(lambda name: engine.ok("exec", name, "echo", name), names)
    assert told == [f"{name}\n" for name in names]
    each(engine.remove, names)
    left = set(engine.ok("ps", "--all", "--format", "{{.Names}}").split()) & set(names)
    assert not left, f"containers are left: {left}"
    until(lambda: not processes_with(" ".join(PROGRAM), *ids), "the end of their processes, shims and monitors")
    groups = [
        path for path in [*CGROUPS.glob("*/*"), *CGROUPS.glob("*/*/*")] if any(known in path.name for known in ids)
    ]
    assert not groups, f"cgroups are left: {groups}"
