"""The runtime under test, as the checks call it: by the command line that all engines use, and nothing else."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes
from tests.support.bundles import Bundle, BundleFactory
from tests.support.console import ConsoleSocket
from tests.support.runtime import ENVIRONMENT, OLD_VERSION, AnyRuntime, Result


class Runtime(AnyRuntime):
    """`oci(...)` in a check: runs the runtime's command and waits for it.

    command: the runtime and its own global options, or those of the wrapper that breaks it, with its environment
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        bundles: BundleFactory,
        environment: "Mapping[str, str] | None" = None,
    ) -> None:
        super().__init__(command, folder / f"root-{folder.name}", folder / "output")
        self.bundles = bundles
        self.environment = {**ENVIRONMENT, **(environment or {})}

    def __call__(self, *args: "str | os.PathLike[str]", **options: Any) -> Result:
        """Runs the command to its end."""
        return super().__call__(*args, **{"env": self.environment, **options})

    def bundle(self, args: "str | Sequence[str]" = ("/bin/true",), **config: Any) -> Bundle:
        """A bundle with runc's default configuration but for control groups, a command, and these fields replaced."""
        made = self.bundles(args)
        made.config["mounts"] = [entry for entry in made.config["mounts"] if entry["type"] != "cgroup"]
        made.config["linux"].pop("resources", None)
        made.config.update({"ociVersion": OLD_VERSION, **config})
        return made.save()

    def probe(self, *asked: str, **process: Any) -> Bundle:
        """A bundle whose process prints what it sees (tests/support/probe.c), with these fields of `process`."""
        made = self.bundle(("/bin/probe", *asked))
        made.config["process"].update(process)
        return made.save()

    def see(self, made: Bundle) -> dict[str, Any]:
        """Runs the bundle's probe; what it saw."""
        made.save()
        result = self.run(made)
        assert result.returncode == 0, result
        seen = result.json()
        assert isinstance(seen, dict)
        return seen

    def refuses(self, made: Bundle) -> Result:
        """`create` of the bundle must fail, and leave no container."""
        made.save()
        name = self.new_id()
        result = self("create", "--bundle", made, name)
        assert result.returncode != 0, f"create succeeded: {result}"
        assert self("state", name).returncode != 0, "the container exists after a create that failed"
        return result

    def console(self) -> ConsoleSocket:
        """A socket for --console-socket, to be used in a with statement."""
        return ConsoleSocket(self.folder.parent / f"console-{next(self.numbers)}")

    def needs_version(self, version: str) -> None:
        """Leaves the check out for a runtime that, by its own word (`features`), knows only an older specification."""
        result = self("features")
        newest = json.loads(result.stdout).get("ociVersionMax", "") if result.returncode == 0 else "1.0.2"
        if numbers(newest) < numbers(version):
            pytest.skip(f"the runtime knows the specification up to {newest}, this is of {version}")

    def wait_for(self, made: Bundle, name: str) -> Path:
        """Waits until the container has made a file of that name in its root directory."""
        path = made.rootfs / name
        processes.wait_until(path.exists, f"/{name} of the container", 5)
        return path


def numbers(version: str) -> list[int]:
    """[1, 3, 0] of "1.3.0" and of "1.3.0+dev"."""
    return [int(part) for part in version.partition("-")[0].partition("+")[0].split(".")]
