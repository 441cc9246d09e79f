"""Is this configuration usable?  A quick yes, or everything that is wrong with it.

The generated schema check and the rules run on every create; jsonschema is imported only after a no.
"""

from pyrunc.errors import ConfigError
from pyrunc.spec import rules, rules_linux
from pyrunc.spec._check import check_config as _schema_config
from pyrunc.spec._check import check_process as _schema_process
from pyrunc.spec._check import check_resources as _schema_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Section = Mapping[str, Any]  # a dict from load_file(), or a TypedDict of pyrunc.spec.types
    Problems = list[tuple[str, str]]


def check_config(config: "Section") -> None:
    """Raises ConfigError with every problem of a config.json: schema and rules."""
    _check("config", _schema_config(config), config, lambda: rules.check_rules(config))


def check_process(process: "Section") -> None:
    """Raises ConfigError with every problem of the process of exec --process (config.md#process)."""
    _check("process", _schema_process(process), process, lambda: rules.check_process_rules(process))


def check_resources(resources: "Section") -> None:
    """Raises ConfigError with every problem of the resources of update (config-linux.md#control-groups)."""
    _check("resources", _schema_resources(resources), resources, lambda: rules.check_resource_rules(resources))


def check_intel_rdt(settings: "Section") -> None:
    """Raises ConfigError with every problem of what update changes of linux.intelRdt (config-linux.md#intelrdt)."""
    problems = list(rules_linux.intel_rdt({"intelRdt": settings}, {}))
    if problems:
        raise ConfigError(_text("config", [(f"/linux{pointer}", message) for pointer, message in problems]))


def _check(name: str, place: "str | None", value: "Section", run_rules: "Callable[[], Problems]") -> None:
    if place is None:
        problems = run_rules()
    else:
        from pyrunc.spec import report

        problems = report.all_problems(name, value, place)
    if problems:
        raise ConfigError(_text(name, problems), problems=problems)


def _text(name: str, problems: "Problems") -> str:
    """One line a problem, each with its JSON pointer."""
    lines = [f"{pointer or '/'}: {message}" for pointer, message in problems]
    if len(lines) == 1:
        return f"{name}.json: {lines[0]}"
    count = f"{len(lines)} problems" if len(lines) < rules.MOST else f"{rules.MOST} problems or more"
    return "\n".join([f"{name}.json has {count}:", *lines])
