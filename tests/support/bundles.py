"""Bundles for tests: a folder with config.json and a root file system of its own."""

import copy
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import corpus
from tests.support.namespaces import NamespaceHolder
from tests.support.rootfs import RootTemplate

Config = dict[str, Any]


class Bundle:
    """A bundle on disk.  Change `config` and call `save`."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config

    @property
    def rootfs(self) -> Path:
        """The root file system on the host."""
        return self.path / "rootfs"

    def save(self) -> "Bundle":
        """Writes config.json."""
        (self.path / "config.json").write_text(json.dumps(self.config, indent=1))
        return self

    def __str__(self) -> str:
        return str(self.path)

    def __fspath__(self) -> str:
        return str(self.path)


class BundleFactory:
    """Makes bundles below one folder; `bundle(...)` in a test."""

    def __init__(self, folder: Path, template: RootTemplate) -> None:
        self.folder = folder
        self.template = template
        self.numbers = itertools.count(1)

    def __call__(
        self,
        args: "str | Sequence[str]" = ("/bin/true",),
        *,
        config: "Config | None" = None,
        terminal: bool = False,
        rootless: bool = False,
    ) -> Bundle:
        """A bundle that runs `args` (text is given to /bin/sh -c).

        config: what to take instead of the configuration that `pyrunc spec` writes; it is copied, and its process
        is only changed by `args` and `terminal`.
        """
        bundle = self._empty()
        bundle.config = copy.deepcopy(config) if config is not None else self._default(rootless)
        bundle.config.setdefault("process", {}).update(
            args=["/bin/sh", "-c", args] if isinstance(args, str) else list(args), terminal=terminal
        )
        return bundle.save()

    def from_corpus(
        self, name: str, args: "str | Sequence[str] | None" = None, holder: "NamespaceHolder | None" = None
    ) -> Bundle:
        """A bundle from the recorded configuration tests/corpus/NAME, pointed at things that exist here.

        args: what to run instead of what was recorded;  holder: whose namespaces are joined where the recorded one
        joined some (needed for those only).
        """
        bundle = self._empty()
        bundle.config = corpus.adapt(corpus.load(name), bundle.rootfs, bundle.path, holder)
        if args is not None:
            bundle.config["process"]["args"] = ["/bin/sh", "-c", args] if isinstance(args, str) else list(args)
        return bundle.save()

    def _empty(self) -> Bundle:
        path = self.folder / f"bundle-{next(self.numbers)}"
        path.mkdir(parents=True)
        self.template.make(path / "rootfs")
        return Bundle(path, {})

    @staticmethod
    def _default(rootless: bool) -> Config:
        from pyrunc.spec.default import default_config  # here: most tests with this file need no pyrunc at all

        config: Config = dict(default_config(rootless))
        config["root"] = {"path": "rootfs"}
        return config
