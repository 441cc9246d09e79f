"""Every configuration that the engines recorded runs, pointed at a root file system and paths that exist here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import corpus
from tests.support.bundles import BundleFactory
from tests.support.namespaces import NamespaceHolder
from tests.support.runtime import Pyrunc

REFUSED = {
    # podman 4.3.1 swaps the soft and the hard limit: the kernel would say EINVAL.
    "podman-play-kube.json": "soft limit",
}

# What a host with cgroup v2 alone lacks, or has in no form.
REFUSED_ON_CGROUP2 = {
    "docker-run-limits.json": "swappiness",
    "podman-run-systemd.json": "/sys/fs/cgroup/systemd",
}


def joined(config: dict[str, Any]) -> bool:
    """Whether it joins namespaces by path."""
    return any(namespace.get("path") for namespace in config["linux"]["namespaces"])


@pytest.mark.parametrize("name", corpus.names())
def test_runs(name: str, bundle: BundleFactory, pyrunc: Pyrunc, holder: Callable[..., NamespaceHolder]) -> None:
    config = corpus.load(name)
    held = holder() if joined(config) else None
    made = bundle.from_corpus(name, "echo from-$(id -u)", held)
    result = pyrunc("run", "--bundle", str(made), "c1")
    refused = {**REFUSED, **REFUSED_ON_CGROUP2} if Path("/sys/fs/cgroup/cgroup.controllers").exists() else REFUSED
    if name in refused:
        assert result.returncode == 1
        assert refused[name] in result.stderr
        return
    # docker asks for capabilities that this host's root may lack: a warning, no failure (runc fails there).
    lines = [line for line in result.stderr.splitlines() if "the runtime does not have them" not in line]
    assert [line for line in lines if "they are not permitted" not in line] == []
    assert result.stdout.strip() == f"from-{config['process']['user']['uid']}"
    assert result.returncode == 0
