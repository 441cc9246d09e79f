"""A container whose mounts are changed while it is there."""

import json
import subprocess
from pathlib import Path
from typing import Any

from pyrunc.container import Container
from tests.support.bundles import Bundle
from tests.support.runtime import Pyrunc, Result

SLEEP = ("/bin/sleep", "1000")
MAPPINGS = {
    "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
}


def in_userns(bundle: Bundle) -> Bundle:
    """The bundle with a user namespace, whose root owns the root file system."""
    linux = bundle.config["linux"]
    linux["namespaces"].append({"type": "user"})
    linux.update(MAPPINGS)
    subprocess.run(["chown", "-R", "--no-dereference", "100000:100000", bundle.rootfs], check=True)
    return bundle.save()


class Live:
    """A container whose mounts are changed."""

    def __init__(self, pyrunc: Pyrunc, bundle: Bundle, start: bool = True) -> None:
        self.pyrunc = pyrunc
        self.bundle = bundle
        self.id, self.result = pyrunc.create(bundle)
        if start:
            pyrunc.ok("start", self.id)
        self.pid = pyrunc.state(self.id)["pid"]

    def call(self, verb: str, *mounts: Any) -> Result:
        """`mounts add` or `mounts remove` with this list on the standard input."""
        return self.pyrunc("mounts", verb, self.id, "-", input=json.dumps(mounts))

    def add(self, *mounts: Any) -> Result:
        """The same for what must succeed."""
        result = self.call("add", *mounts)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return result

    def remove(self, *destinations: str) -> Result:
        """The same for destinations that must be mount points."""
        result = self.call("remove", *({"destination": path} for path in destinations))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return result

    def refused(self, verb: str, *mounts: Any) -> str:
        """What the command says, which must fail and leave the mounts as they are."""
        before = self.table_ids(), self.stored()
        result = self.call(verb, *mounts)
        assert result.returncode == 1, result
        assert (self.table_ids(), self.stored()) == before
        return result.stderr.replace(f"pyrunc mounts failed: {self.id}: ", "").strip()

    def lines(self) -> list[list[str]]:
        """The container's mountinfo, in fields."""
        return [line.split() for line in Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()]

    def table(self) -> dict[str, dict[str, Any]]:
        """The container's mounts by place, the last one on each."""
        return {
            fields[4]: {
                "options": set(fields[5].split(",")),
                "propagation": fields[6 : fields.index("-")],
                "type": fields[fields.index("-") + 1],
            }
            for fields in self.lines()
        }

    def table_ids(self) -> list[tuple[str, str]]:
        """Place and root of all mounts in order: what removing and putting back leaves as it is."""
        return sorted((fields[4], fields[3]) for fields in self.lines())

    def stored(self) -> list[dict[str, Any]]:
        """The mounts of the stored configuration."""
        mounts: list[dict[str, Any]] = Container(str(self.pyrunc.root), self.id).config()["mounts"]
        return mounts

    def exec(self, *args: str) -> Result:
        """Runs something in the container."""
        return self.pyrunc("exec", self.id, *args)

    @property
    def root(self) -> Path:
        """The container's root as the host can look at it."""
        return Path(f"/proc/{self.pid}/root")


def bind(source: Path, destination: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "source": str(source), "options": [*options] or ["rbind"]}
