"""linux.memoryPolicy, as /proc/self/numa_maps of the container's processes shows it."""

from pathlib import Path

import pytest

from tests.support.bundles import BundleFactory
from tests.support.runtime import Pyrunc

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/proc/self/numa_maps").exists(), reason="the kernel has no memory policies"),
]

SHOW = "read address policy rest < /proc/self/numa_maps; echo $policy $rest"


@pytest.mark.parametrize(
    ("mode", "nodes", "flags", "shown"),
    [
        ("MPOL_DEFAULT", None, [], "default "),
        ("MPOL_LOCAL", "", [], "local "),
        ("MPOL_PREFERRED", "", [], "local "),
        ("MPOL_PREFERRED", "0", [], "prefer:0 "),
        ("MPOL_BIND", "0", [], "bind:0 "),
        ("MPOL_BIND", "0", ["MPOL_F_STATIC_NODES"], "bind=static:0 "),
        ("MPOL_BIND", "0", ["MPOL_F_RELATIVE_NODES"], "bind=relative:0 "),
        ("MPOL_BIND", "0", ["MPOL_F_NUMA_BALANCING"], "bind"),
        ("MPOL_INTERLEAVE", "0", [], "interleave:0 "),
        ("MPOL_PREFERRED_MANY", "0", [], "prefer (many):0 "),
        ("MPOL_WEIGHTED_INTERLEAVE", "0", [], "weighted interleave:0 "),
    ],
)
def test_policy(
    bundle: BundleFactory, pyrunc: Pyrunc, mode: str, nodes: "str | None", flags: "list[str]", shown: str
) -> None:
    made = bundle(SHOW)
    made.config["linux"]["memoryPolicy"] = policy = {"mode": mode, "flags": flags}
    if nodes is not None:
        policy["nodes"] = nodes
    result = pyrunc.run(made.save())
    if result.returncode and mode == "MPOL_WEIGHTED_INTERLEAVE":
        pytest.skip("needs Linux 6.9")
    assert result.returncode == 0, result
    assert result.stdout.startswith(shown)


def test_exec_has_the_policy_of_the_container(bundle: BundleFactory, pyrunc: Pyrunc) -> None:
    made = bundle(["/bin/sleep", "1000"])
    made.config["linux"]["memoryPolicy"] = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}
    id, _ = pyrunc.create(made.save())
    pyrunc.ok("start", id)
    assert pyrunc.ok("exec", id, "/bin/sh", "-c", SHOW).stdout.startswith("interleave:0 ")
    assert pyrunc.ok("exec", "--user", "1000:1000", id, "/bin/sh", "-c", SHOW).stdout.startswith("interleave:0 ")


@pytest.mark.parametrize("nodes", ["1000", "32767"])
def test_nodes_that_the_host_does_not_have(bundle: BundleFactory, pyrunc: Pyrunc, nodes: str) -> None:
    made = bundle(SHOW)
    made.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": nodes}
    result = pyrunc.run(made.save())
    assert result.returncode == 1
    assert "linux.memoryPolicy: set the memory policy: invalid argument" in result.stderr
    assert pyrunc.containers() == []
