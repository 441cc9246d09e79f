"""Cases of the recorded configurations."""

from collections.abc import Callable
from pathlib import Path

from tests.differential.case import Case, Config
from tests.differential.generator import ASKS
from tests.support import corpus
from tests.support.namespaces import NamespaceHolder

PARTS = {
    "seccomp": "seccomp",
    "masks": "maskedPaths",
    "read_only_paths": "readonlyPaths",
    "root-propagation": "rootfsPropagation",
    "devices": "devices",
}
ASKED = [*ASKS, "calls", "list:/etc", "file:/etc/hosts", "list:/run"]


def recorded(name: str, hold: Callable[..., NamespaceHolder]) -> Case:
    """The case of one recorded configuration; `hold` makes namespaces to join where it joins some."""
    config = corpus.load(name)
    joins = any(namespace.get("path") for namespace in config["linux"]["namespaces"])
    held = hold() if joins else None
    case = Case(name.removesuffix(".json"), config, marks={"recorded", *marks(config)})
    if joins:
        case.marks.add("joins")
    case.asks = list(ASKED)

    def adapt(bundle: Path) -> Config:
        (bundle / "made").mkdir()
        adapted = corpus.adapt(config, bundle / "rootfs", bundle / "made", held)
        adapted["process"].update(args=["/bin/probe", *case.asks], terminal=False)
        return adapted

    case.adapt = adapt
    return case


def marks(config: Config) -> set[str]:
    """What is in a configuration, by the names of the generator's features."""
    linux = config["linux"]
    found = {name for name in ("hooks", "domainname") if config.get(name)}
    found |= {mark for mark, key in PARTS.items() if linux.get(key)}
    if any(space["type"] == "user" for space in linux["namespaces"]):
        found.add("user_namespace")
    for mount in config["mounts"]:
        found.add("binds" if corpus.is_bind(mount) else str(mount.get("type")))
    if len(config["process"].get("capabilities", {}).get("bounding", ())) > 37:
        found.add("capabilities")  # more than a host without CAP_SYS_RESOURCE has
    return found | ({"user"} if config["process"]["user"].get("additionalGids") else set())
