"""What the specification asks of a configuration beyond its schema: one small function a rule, named by its section.

check_rules() runs them all.  They touch nothing; only a sysctl for a joined network namespace is compared with the
namespace that the runtime is in.  Rules of one section are in rules_process, rules_linux and rules_resources.
"""

from pyrunc.spec import rules_linux, rules_process, rules_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    Section = Mapping[str, Any]  # a dict from load_file(), or a TypedDict of pyrunc.spec.types
    Problems = Iterator[tuple[str, str]]
    Rules = Sequence[Callable[..., Problems]]

SPEC_VERSION = "1.3.0"
HOST_NAME_MAX = 64  # bytes, __NEW_UTS_LEN
MOST = 100
"""Problems that are told of one file: whoever reads more of them would not know where to begin."""
ID_MAP_OPTIONS = frozenset(("idmap", "ridmap"))


def mount_namespace(config: "Section") -> "Problems":
    """config-linux.md#namespaces: without a mount namespace the host's would be changed."""
    if "mount" in namespaces_of(config):
        return
    linux = config.get("linux", {})
    for pointer, is_asked in (
        ("/mounts", config.get("mounts")),
        ("/root/readonly", config["root"].get("readonly")),
        ("/linux/devices", linux.get("devices")),
        ("/linux/rootfsPropagation", linux.get("rootfsPropagation")),
    ):
        if is_asked:
            yield pointer, "needs a mount namespace"


def spec_version(config: "Section") -> "Problems":
    """config.md#specification-version: SemVer 2.0.0; all of 1.x is compatible."""
    version = config["ociVersion"]
    core, plus, build = version.partition("+")
    core, dash, release = core.partition("-")
    numbers = core.split(".")
    good = len(numbers) == 3 and all(n.isascii() and n.isdigit() and (n == "0" or n[0] != "0") for n in numbers)
    for mark, suffix in ((dash, release), (plus, build)):
        good = good and (not mark or all(_is_identifier(part) for part in suffix.split(".")))
    if not good:
        yield "/ociVersion", f"must be a semantic version like {SPEC_VERSION}, not {version!r}"
    elif numbers[0] != "1":
        yield "/ociVersion", f"version {version} is not supported: pyrunc follows {SPEC_VERSION} and takes all of 1.x"


def _is_identifier(text: str) -> bool:
    return bool(text) and text.isascii() and text.replace("-", "0").isalnum()


def root_path(config: "Section") -> "Problems":
    """config.md#root: the path names a directory."""
    path = config["root"]["path"]
    if not path:
        yield "/root/path", "must not be empty"
    yield from rules_process.nul_byte(path, "/root/path")


def mounts(config: "Section") -> "Problems":
    """config.md#mounts: a destination; strings that mount(2) can take."""
    for index, mount in enumerate(config.get("mounts", ())):
        pointer = f"/mounts/{index}"
        if not mount["destination"]:
            yield f"{pointer}/destination", "must not be empty"
        for key in ("destination", "type", "source"):
            yield from rules_process.nul_byte(mount.get(key, ""), f"{pointer}/{key}")
        yield from rules_process.nul_bytes(mount.get("options", ()), f"{pointer}/options")


def mount_mappings(config: "Section") -> "Problems":
    """config.md#posix-platform-mounts: both id maps or none; idmap needs them or a user namespace."""
    for index, mount in enumerate(config.get("mounts", ())):
        pointer = f"/mounts/{index}"
        uids, gids = mount.get("uidMappings", ()), mount.get("gidMappings", ())
        if bool(uids) != bool(gids):
            present, absent = ("uidMappings", "gidMappings") if uids else ("gidMappings", "uidMappings")
            yield f"{pointer}/{absent}", f"must be set, since {present} is"
        yield from rules_linux.mapping_ranges(uids, f"{pointer}/uidMappings")
        yield from rules_linux.mapping_ranges(gids, f"{pointer}/gidMappings")
        options = mount.get("options", ())
        if not uids and not gids and not ID_MAP_OPTIONS.isdisjoint(options) and "user" not in namespaces_of(config):
            yield f"{pointer}/options", "idmap needs uidMappings and gidMappings, or a user namespace to take them from"


def host_names(config: "Section") -> "Problems":
    """config.md#hostname, #domainname: set in the container's UTS namespace, never in the host's."""
    for key in ("hostname", "domainname"):
        name = config.get(key, "")
        if not name:
            continue
        if "uts" not in namespaces_of(config):
            yield f"/{key}", "needs a uts namespace: it would change the host's"
        if len(name.encode(errors="surrogateescape")) > HOST_NAME_MAX:
            yield f"/{key}", f"is longer than {HOST_NAME_MAX} bytes"
        yield from rules_process.nul_byte(name, f"/{key}")


def mapped_ids(config: "Section") -> "Problems":
    """config-linux.md#user-namespace-mappings: in a new user namespace only ids that are mapped can be taken."""
    user = config.get("process", {}).get("user")
    if not user or namespaces_of(config).get("user") != "":
        return
    linux = config["linux"]
    asked = [
        ("uidMappings", "/process/user/uid", user.get("uid", 0)),
        ("gidMappings", "/process/user/gid", user.get("gid", 0)),
    ]
    for index, gid in enumerate(user.get("additionalGids", ())):
        asked.append(("gidMappings", f"/process/user/additionalGids/{index}", gid))
    for key, pointer, id in asked:
        mappings = linux.get(key, ())
        if not mappings or not all(entry["size"] for entry in mappings):
            continue  # that is told by its own rule
        if not any(entry["containerID"] <= id < entry["containerID"] + entry["size"] for entry in mappings):
            yield pointer, f"{id} is not mapped by linux.{key}"


def hooks(config: "Section") -> "Problems":
    """config.md#posix-platform-hooks: path MUST be absolute."""
    for kind, entries in config.get("hooks", {}).items():
        if kind not in HOOKS:
            continue
        for index, hook in enumerate(entries):
            pointer = f"/hooks/{kind}/{index}"
            if not hook["path"].startswith("/"):
                yield f"{pointer}/path", f"must be an absolute path, not {hook['path']!r}"
            yield from rules_process.nul_byte(hook["path"], f"{pointer}/path")
            yield from rules_process.nul_bytes(hook.get("args", ()), f"{pointer}/args")
            yield from rules_process.nul_bytes(hook.get("env", ()), f"{pointer}/env")


HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def annotations(config: "Section") -> "Problems":
    """config.md#annotations: keys MUST NOT be empty."""
    if "" in config.get("annotations", {}):
        yield "/annotations/", "the key of an annotation must not be empty"


RULES = (spec_version, root_path, mount_namespace, mounts, mount_mappings, host_names, mapped_ids, hooks, annotations)


def namespaces_of(config: "Section") -> "dict[str, str]":
    """The namespaces of a container: type to the path to join, "" for a new one."""
    return {entry["type"]: entry.get("path", "") for entry in config.get("linux", {}).get("namespaces", ())}


def groups(config: "Section") -> "Iterator[tuple[str, Rules, tuple[Any, ...]]]":
    """The rules that concern a config.json: pointer of their section, rules, and their arguments."""
    yield "", RULES, (config,)
    if "process" in config:
        yield "/process", rules_process.RULES, (config["process"],)
    linux = config.get("linux")
    if linux is not None:
        if "resources" in linux:
            yield "/linux/resources", rules_resources.RULES, (linux["resources"],)
        if "seccomp" in linux:
            yield "/linux/seccomp", rules_linux.SECCOMP_RULES, (linux["seccomp"],)
        yield "/linux", rules_linux.RULES, (linux, namespaces_of(config))


def check_rules(config: "Section") -> "list[tuple[str, str]]":
    """Every problem (but at most MOST) of a config.json that agrees with the schema: (JSON pointer, message)."""
    problems: list[tuple[str, str]] = []
    for section, rules, arguments in groups(config):
        problems += run(section, rules, arguments)
    return problems[:MOST]


def check_process_rules(process: "Section") -> "list[tuple[str, str]]":
    """The same for a process.json (exec --process)."""
    return run("", rules_process.RULES, (process,))


def check_resource_rules(resources: "Section") -> "list[tuple[str, str]]":
    """The same for a resources.json (update --resources)."""
    return run("", rules_resources.RULES, (resources,))


def run(section: str, rules: "Rules", arguments: "tuple[Any, ...]") -> "list[tuple[str, str]]":
    """What some rules find, with the pointers made absolute; no more than MOST."""
    found: list[tuple[str, str]] = []
    for rule in rules:
        for pointer, message in rule(*arguments):
            found.append((section + pointer, message))
            if len(found) == MOST:
                return found
    return found


def warnings(config: "Section") -> "list[tuple[str, str]]":
    """What is odd about a checked config.json but no error: (JSON pointer, message)."""
    found = run("", (version_warnings, mount_warnings, device_warnings, mapping_warnings), (config,))
    if "process" in config:
        found += run("/process", rules_process.WARNINGS, (config["process"],))
    return found


def version_warnings(config: "Section") -> "Problems":
    """config.md#specification-version: a newer 1.x may have properties that this runtime does not know."""
    minor = config["ociVersion"].split(".")[1]
    if int(minor) > int(SPEC_VERSION.split(".")[1]):
        yield "/ociVersion", f"{config['ociVersion']} is newer than {SPEC_VERSION}: new properties are ignored"


def mount_warnings(config: "Section") -> "Problems":
    """config.md#mounts: a relative destination is deprecated, and read as relative to the root."""
    for index, mount in enumerate(config.get("mounts", ())):
        if not mount["destination"].startswith("/"):
            yield f"/mounts/{index}/destination", f"relative path {mount['destination']!r} is taken as relative to /"


def device_warnings(config: "Section") -> "Problems":
    """config-linux.md#devices: the same device SHOULD NOT be listed twice."""
    seen = set()
    for index, device in enumerate(config.get("linux", {}).get("devices", ())):
        number = (device["type"], device.get("major"), device.get("minor"))
        if device["type"] != "p" and number in seen:
            yield f"/linux/devices/{index}", "the same device is listed before"
        seen.add(number)


def mapping_warnings(config: "Section") -> "Problems":
    """config-linux.md#user-namespace-mappings: a user namespace that is joined has its mappings already."""
    path = namespaces_of(config).get("user")
    if path and config.get("linux", {}).get("uidMappings"):
        yield "/linux/uidMappings", f"is not written: {path}, which is joined, has its own"
