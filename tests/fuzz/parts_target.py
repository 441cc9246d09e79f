"""What `exec --process` and `update --resources` are given: a process or a resources object, checked and planned.

An input's first byte says which; the rest is the document.
"""

import functools
import json
from random import Random
from typing import Any

from pyrunc.cgroups.plan import plan_update
from pyrunc.errors import ConfigError, PyruncError
from pyrunc.process import plan_process
from pyrunc.setup import Setup
from pyrunc.spec import _check, check, load, report
from tests.fuzz import mutate, schema
from tests.fuzz.config_target import HYBRID, MEMBERS, V1, V2, WORDS, place, shape, well_told
from tests.fuzz.picture import picture
from tests.fuzz.target import Target
from tests.support import corpus, mutations

KINDS = ("process", "resources")
CHECKS: dict[str, Any] = {"process": check.check_process, "resources": check.check_resources}
QUICK: dict[str, Any] = {"process": _check.check_process, "resources": _check.check_resources}


class PartsTarget(Target):
    """Processes and resources of the corpus, and those of its configurations, changed."""

    name = "parts"
    words = WORDS + MEMBERS

    def setup(self) -> None:
        """The documents; the schema is loaded once."""
        configs = [corpus.load(name) for name in corpus.names()]
        self.documents: dict[str, list[Any]] = {
            "process": [config["process"] for config in configs],
            "resources": [config["linux"]["resources"] for config in configs if "resources" in config["linux"]],
        }
        for kind, documents in self.documents.items():
            documents += [json.loads(path.read_text()) for path in sorted(corpus.FOLDER.glob(f"*-{kind}.json"))]
            documents.append(mutations.sample(schema.schema(kind)))
        self.validator = report.validator
        report.validator = functools.cache(report.validator)

    def close(self) -> None:
        """Puts back what was exchanged."""
        report.validator = self.validator

    def seeds(self) -> list[bytes]:
        """Those documents."""
        return [
            bytes([number]) + json.dumps(document).encode()
            for number, kind in enumerate(KINDS)
            for document in self.documents[kind]
        ]

    def mutate(self, data: bytes, random: Random) -> bytes:
        """As a document, now and then as bytes."""
        first = data[:1] or b"\0"
        documents = self.documents[KINDS[first[0] % 2]]
        if random.randrange(8) == 0:
            return first + mutate.octets(data[1:], random, self.words)
        try:
            document = json.loads(data[1:])
        except (ValueError, RecursionError):
            document = random.choice(documents)
        return first + mutate.dumped(mutate.document(document, random, self.words, documents), random)

    def check(self, data: bytes) -> str:
        """One document."""
        kind = KINDS[data[0] % 2 if data else 0]
        try:
            value = load.parse(data[1:], f"{kind}.json")
        except ConfigError as error:
            return f"{kind} no JSON: {error.reason.rpartition(': ')[2][:20]}"
        wrong = QUICK[kind](value)
        valid = report.validator(kind).is_valid(value)
        assert (wrong is None) == valid, f"the generated check says {wrong!r}, jsonschema {valid}"
        before = mutate.copied(value)
        try:
            CHECKS[kind](value)
        except ConfigError as error:
            well_told(error, value)
            return f"{kind} refused: " + " ".join(sorted({shape(*problem) for problem in error.problems})[:3])
        label = self.plan_process(value) if kind == "process" else self.plan_resources(value)
        assert value == before, "planning changes the document"
        return f"{kind} taken: {label}"

    def plan_process(self, process: dict[str, Any]) -> str:
        """What is sent to the helper, as far as it is the process's."""
        try:
            plan = plan_process(process, {})
        except PyruncError as error:
            place(error, {"process": process})
            return shape("", error.reason)
        assert picture(plan) == picture(plan_process(process, {})), "two plans differ"
        Setup().add_process(plan)
        return ""

    def plan_resources(self, resources: dict[str, Any]) -> str:
        """What is written into a container's cgroups, on each kind of host."""
        labels = []
        for layout in (V1, HYBRID, V2):
            paths = {name: f"{top}/c1" for name, top in layout.hierarchies.items()}
            try:
                steps = plan_update(resources, paths, layout)
            except PyruncError as error:
                place(error, {"linux": {"resources": resources}})
                labels.append(shape("", error.reason))
                continue
            assert all(step.describe() for step in steps), "a step without a description"
            labels.append(str(min(len(steps), 20)))
        return " ".join(labels)
