"""features.md and features-linux.md: what the runtime says it can do."""

from typing import Any

import pytest

from conformance.command import Runtime
from conformance.requirement import MUST, SHOULD, answer, check, unanswered


def features(oci: Runtime) -> dict[str, Any]:
    """The features object; the command itself is optional."""
    if oci("features").returncode != 0:
        pytest.skip("the runtime has no `features` command")
    found = oci.ok("features").json()
    assert isinstance(found, dict)
    return found


@check(
    800,
    MUST,
    "features.md#specification-version",
    "ociVersionMin and ociVersionMax are there, in this order",
    unanswered("features", "/ociVersionMin"),
    answer("features", "/ociVersionMax", "0.1.0"),
)
def test_versions(oci: Runtime) -> None:
    from conformance.command import numbers

    found = features(oci)
    assert numbers(found["ociVersionMin"]) <= numbers(found["ociVersionMax"])


@check(
    801,
    SHOULD,
    "features.md#hooks",
    "hooks are all that the specification names",
    answer("features", "/hooks", ["prestart"]),
)
def test_hooks(oci: Runtime) -> None:
    kinds = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
    assert kinds <= set(features(oci)["hooks"])


@check(
    802,
    MUST,
    "features.md#mount-options",
    "mountOptions are the names of options",
    answer("features", "/mountOptions", "ro"),
)
def test_mount_options(oci: Runtime) -> None:
    names = features(oci)["mountOptions"]
    assert isinstance(names, list)
    assert {"ro", "rw", "bind", "rbind", "nosuid", "private"} <= set(names)


@check(
    803,
    MUST,
    "features-linux.md#namespaces",
    "linux.namespaces are the types that can be made",
    unanswered("features", "/linux/namespaces"),
)
def test_namespaces(oci: Runtime) -> None:
    assert {"pid", "network", "mount", "ipc", "uts"} <= set(features(oci)["linux"]["namespaces"])


@check(
    804,
    MUST,
    "features-linux.md#seccomp",
    "the actions that linux.seccomp names are accepted",
    answer("features", "/linux/seccomp/actions", ["SCMP_ACT_NONSENSE"]),
)
def test_seccomp_actions(oci: Runtime) -> None:
    found = features(oci)["linux"]["seccomp"]
    if not found["enabled"]:
        pytest.skip("the runtime is without seccomp")
    for action in found["actions"]:
        if action == "SCMP_ACT_NOTIFY":  # needs a listener
            continue
        made = oci.bundle()
        made.config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["swapoff"], "action": action}],
        }
        assert oci.run(made.save()).returncode == 0, action


@check(
    805,
    MUST,
    "features-linux.md#cgroup",
    "linux.cgroup says which versions there are",
    unanswered("features", "/linux/cgroup"),
)
def test_cgroup(oci: Runtime) -> None:
    found = features(oci)["linux"]["cgroup"]
    assert {type(found[name]) for name in ("v1", "v2", "systemd")} == {bool}
