"""config.json: loaded, checked and planned, or refused with a PyruncError that says what and where; nothing else.

One input goes the way that it goes in `create`, up to where the host is touched, and through `validate`:

- the generated check and jsonschema say the same;
- what is refused is told with a reason, and with places that are in the document;
- what is taken is planned, for every kind of host, twice the same, and the configuration stays as it was; another
  process plans it the same;
- what a plan says can be told, written to the container's state, and sent to the helper;
- what `create` would refuse here, `validate` has told.
"""

import functools
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from pyrunc import fastjson, helper, process_start, validation
from pyrunc.cgroups.layout import Layout
from pyrunc.cgroups.systemd import SystemdFacts
from pyrunc.errors import ConfigError, PyruncError
from pyrunc.facts import HostFacts, read_facts
from pyrunc.namespaces import without_own_user
from pyrunc.operations import options
from pyrunc.plan import Plan
from pyrunc.security.lsm import check_mount_label
from pyrunc.security.seccomp import filter_for
from pyrunc.setup import Setup
from pyrunc.spec import _check, check, load, report
from tests.fuzz import mutate, replay, schema
from tests.fuzz.picture import picture
from tests.fuzz.target import Finding, Target
from tests.support import corpus, leaks, mutations

CONTROLLERS = ("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "pids")
V1 = Layout(1, {name: f"/c/{name}" for name in CONTROLLERS}, dict.fromkeys(CONTROLLERS, "/"))
HYBRID = Layout(
    1,
    {**V1.hierarchies, "systemd": "/c/systemd", "unified": "/c/unified"},
    {**V1.own, "memory": "/user", "systemd": "/", "unified": "/"},
)
V2 = Layout(2, {"unified": "/sys/fs/cgroup"}, {"unified": "/user/session"})
REPLAYED = 60
"""Inputs that are planned again by other processes, at the end."""
EVERY_CAPABILITY = (1 << 41) - 1
OPTIONS = (*options.ATTRIBUTES, *options.ACCESS_TIMES, *options.SUPERBLOCK_FLAGS, *options.PROPAGATION)
WORDS = (
    *OPTIONS,
    "rbind", "remount", "rro", "rnosuid", "tmpcopyup", "idmap", "ridmap", "copy-symlink", "mode=1777", "size=1k",
    "tmpfs", "proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "overlay", "/proc", "/sys/fs/cgroup", "/dev",
    "a.slice:b:c", ":x:y", "user", "time", "network", "SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO", "SCMP_CMP_MASKED_EQ",
    "CAP_SYS_ADMIN", "CAP_X", "RLIMIT_NOFILE", "RLIMIT_X", "net.ipv4.ip_forward", "kernel.shm_rmid_forced",
    "monotonic", "boottime", "memory.max", "memory.high", "hugetlb.2MB.max", "2MB", "64KB", "0-3", "SCHED_DEADLINE",
    "org.systemd.property.TimeoutStopUSec", "uint64 5", "org.systemd.property.ExecStartPre", "run.oci.systemd.subgroup",
    "MPOL_BIND", "IOPRIO_CLASS_RT", "PER_LINUX32", "L3:0=f", "MB:0=10", "lo", "eth0", "1.0.2-dev", "1.3.0+x", "2.0.0",
    "fs.mqueue.x", "uid=0", "openat2", "c", "b", "u", "p", "a", "rwm", "rdma", "mlx5_0", "8:0",
)  # fmt: skip
# Names that stand for a member, so that documents get members that mean something.
MEMBERS = tuple(
    sorted({str(part) for path in mutations.paths(mutations.sample(schema.schema("config"))) for part in path})
)


def all_facts() -> list[HostFacts]:
    """Every kind of host and of caller."""
    kinds = [HostFacts(layout, True, 40, EVERY_CAPABILITY, EVERY_CAPABILITY) for layout in (V1, HYBRID, V2, V2, V2)]
    kinds[3].systemd = SystemdFacts(254, "", "system")
    kinds[4].no_cgroups = True
    user = HostFacts(V2, False, 40, 0, EVERY_CAPABILITY, rootless_cgroups=True, gid=1000)
    user_systemd = HostFacts(V2, False, 38, 0, EVERY_CAPABILITY, rootless_cgroups=True, gid=1000)
    user_systemd.systemd = SystemdFacts(252, "/user.slice/user-1000.slice/user@1000.service", "user")
    return [*kinds, user, user_systemd]


def real_documents() -> list[Any]:
    """The corpus and the document that has everything; of long seccomp profiles a part, as they take their time."""
    found = [corpus.load(name) for name in corpus.names()]
    found.append(mutations.sample(schema.schema("config")))
    for document in found:
        profile = document.get("linux", {}).get("seccomp") or {}
        for rule in (rules := profile.get("syscalls") or []):
            rule["names"] = rule["names"][:3]
        if rules:
            profile["syscalls"] = rules[:5]
    return found


class ConfigTarget(Target):
    """Real configurations, changed as bytes and as documents."""

    name = "config"
    words = WORDS + MEMBERS

    def setup(self) -> None:
        """A bundle to write each input into, and what does not change."""
        self.bundle = Path(tempfile.mkdtemp(prefix=leaks.prefix(), dir="/dev/shm"))
        (self.bundle / "rootfs").mkdir()
        self.documents = real_documents()
        self.facts = all_facts()
        self.own_facts = read_facts()
        self.taken: list[Path] = []
        # Loading the schema takes longer than all the rest.
        self.validator = report.validator
        report.validator = functools.cache(report.validator)

    def close(self) -> None:
        """Removes the bundle."""
        report.validator = self.validator
        shutil.rmtree(self.bundle)

    def seeds(self) -> list[bytes]:
        """Those documents."""
        return [json.dumps(document).encode() for document in self.documents]

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Mostly as a document: most changes of bytes are no more JSON."""
        if random.randrange(6):
            try:
                document = json.loads(data)
            except (ValueError, RecursionError):
                document = random.choice(self.documents)
            return mutate.dumped(mutate.document(document, random, self.words, self.documents), random)
        return mutate.octets(data, random, self.words)

    def check(self, data: bytes) -> str:
        """One config.json."""
        try:
            config = load.parse(data, "config.json")
        except ConfigError as error:
            assert error.reason.startswith("config.json: "), error.reason
            return "no JSON: " + error.reason.rpartition(": ")[2][:20]
        wrong = _check.check_config(config)
        valid = report.validator("config").is_valid(config)
        assert (wrong is None) == valid, f"the generated check says {wrong!r}, jsonschema {valid}"
        (self.bundle / "config.json").write_bytes(data)
        try:
            check.check_config(config)
        except ConfigError as error:
            well_told(error, config)
            if zlib.crc32(data) % 4 == 0:  # jsonschema takes its time
                told = validation.validate(str(self.bundle)).problems
                missed = [problem for problem in error.problems if problem not in told]
                assert not missed, f"validate does not tell: {missed}"
            return "refused: " + " ".join(sorted({shape(pointer, text) for pointer, text in error.problems})[:3])
        assert valid, "the check takes what jsonschema refuses"
        label = "taken: " + self.plan_all(config, zlib.crc32(data))
        if len(self.taken) < REPLAYED and zlib.crc32(data) % 7 == 0:
            self.taken.append(self.bundle / f"taken-{len(self.taken)}")
            self.taken[-1].write_bytes(data)
        return label

    def finish(self) -> Iterable[Finding]:
        """What another process plans differently."""
        for path in replay.different(self.taken):
            yield Finding(path.read_bytes(), AssertionError("another process plans differently"))

    def plan_all(self, config: dict[str, Any], number: int) -> str:
        """Plans for two hosts, chosen by the input, and for this one, compared with what validate says."""
        before = mutate.copied(config)
        count = len(self.facts)
        hosts = (number % count, (number + 1 + number // count % (count - 1)) % count)
        labels = [self.plan(config, self.facts[host], host) for host in hosts]
        assert config == before, "planning changes the configuration"
        found = validation.validate(str(self.bundle))
        try:
            self.refuse(config)
        except PyruncError as error:
            told = found.problems + found.warnings
            assert any(error.reason in text for _, text in told), f"validate does not tell: {error}: {told}"
        return " ".join(labels)

    def plan(self, config: dict[str, Any], facts: HostFacts, number: int) -> str:
        """Plans twice for one host, and uses what comes out."""
        try:
            first = Plan(without_own_user(mutate.copied(config)), "c1", "/bundle", facts, False)
        except PyruncError as error:
            place(error, config)
            return f"{number}{shape('', error.reason)}"
        second = Plan(without_own_user(config), "c1", "/bundle", facts, False)
        one, other = picture(first, ("config",)), picture(second, ("config",))
        assert one == other, f"two plans differ: {one} and {other}"
        for operation in (*first.cgroup.create, *first.cgroup.limits, *first.filesystem):
            assert operation.describe(), "an operation without a description"
        self.send(first)
        return str(number)

    def send(self, plan: Plan) -> None:
        """Writes what goes to the state and to the helper; strings that neither can hold are refused before."""
        setup = Setup()
        setup.add_process(plan.process)
        setup.add_groups(plan.process.additional_gids)
        setup.add_capabilities(plan.capabilities)
        for tag, name in ((helper.TAG_HOSTNAME, "hostname"), (helper.TAG_DOMAINNAME, "domainname")):
            if plan.config.get(name):
                setup.add_string(tag, plan.config[name])
        for name, value in plan.sysctls:
            setup.add_sysctl(name, value)
        if "startContainer" in plan.hooks:
            setup.add_hooks(plan.hooks["startContainer"], "{}", plan.process.env)
        helper.message(helper.SETUP, setup.records, 0)
        state = {"annotations": plan.config.get("annotations") or {}, "hooks": plan.hooks, "cgroups": plan.cgroup.paths}
        assert fastjson.loads(fastjson.dumps(state)) == fastjson.loads(json.dumps(state)), "the state reads differently"

    def refuse(self, config: dict[str, Any]) -> None:
        """All that create looks at before it makes anything.  Raises PyruncError."""
        config = without_own_user(config)
        Plan(config, "c1", str(self.bundle), self.own_facts, False)
        process_start.check_seccomp_agent(config, str(self.bundle))
        check_mount_label(config)
        profile = (config.get("linux") or {}).get("seccomp")
        if profile and len(profile.get("syscalls") or ()) < 20:
            filter_for(profile, None)


class SchemaTarget(ConfigTarget):
    """Configurations that hypothesis makes from the schema, with values of real ones, and a little damage."""

    name = "schema"

    def setup(self) -> None:
        """The strategy, too."""
        super().setup()
        words = schema.vocabulary(self.documents)
        words["options"] = [*words["options"], *OPTIONS]
        self.strategy = schema.strategy(schema.schema("config"), words).map(self.usable)

    def usable(self, config: dict[str, Any]) -> bytes:
        """With what nothing gets far without: a version, a mount namespace, the bundle's root."""
        config["ociVersion"] = "1.2.0"
        config["root"]["path"] = "rootfs"
        spaces = config.setdefault("linux", {}).setdefault("namespaces", [])
        kinds = {space["type"]: space for space in spaces}
        kinds.setdefault("mount", {"type": "mount"}).pop("path", None)
        config["linux"]["namespaces"] = list(kinds.values())
        return json.dumps(config).encode()


def shape(pointer: str, text: str) -> str:
    """What a message is about, without numbers and names."""
    places = ["*" if part.isdigit() else part for part in pointer.split("/")[:4]]
    return "/".join(places) + "".join(character for character in text if character.islower())[:12]


def well_told(error: ConfigError, config: dict[str, Any]) -> None:
    """Every problem has words, and a place that is in the document or could be."""
    assert error.problems, "refused without a problem"
    for pointer, text in error.problems:
        assert text.strip(), f"no words for {pointer}"
        assert within(config, pointer), f"no such place: {pointer}: {text}"


def place(error: PyruncError, config: dict[str, Any]) -> None:
    """A plan's refusal has a reason, and says where."""
    assert error.reason, "no reason"
    assert error.place or error.operation, f"neither place nor operation: {error}"
    if error.place:
        pointer = validation.pointer_of(error.place)
        assert within(config, pointer), f"no such place: {error.place} ({pointer}): {error.reason}"


def within(document: Any, pointer: str) -> bool:
    """Whether a JSON pointer leads to something, or to a member that an object at least could have."""
    if not pointer:
        return True
    assert pointer[0] == "/", f"no pointer: {pointer!r}"
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
    for part in parts:
        if isinstance(document, dict):
            document = document.get(part)
            if document is None:
                return True
        elif isinstance(document, list):
            if not part.isdigit() or int(part) >= len(document):
                return False
            document = document[int(part)]
        else:
            return False
    return True
