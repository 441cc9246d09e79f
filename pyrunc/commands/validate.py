"""pyrunc validate: everything that is wrong with a bundle, and what this host cannot do of it."""

from pyrunc import pathnames
from pyrunc.commands import rootless_of, write
from pyrunc.errors import PyruncError
from pyrunc.log import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrunc.options import Invocation
    from pyrunc.validation import Report


def run(invocation: "Invocation") -> int:
    """Prints what was found; 1 when the bundle is not valid.  Raises PyruncError."""
    from pyrunc.fastjson import dumps
    from pyrunc.validation import validate

    form = invocation.options.text("format")
    if form not in ("text", "json"):
        raise PyruncError("invalid format option", hint="--format takes text or json")
    bundle = pathnames.abspath(invocation.arguments[0])
    report = validate(bundle, rootless_of(invocation), invocation.settings.flag("systemd-cgroup"))
    write(dumps(as_json(bundle, report), indent=True) + "\n" if form == "json" else as_text(bundle, report))
    return 0 if report.valid else 1


def as_json(bundle: str, report: "Report") -> "dict[str, object]":
    """The report for programs."""
    found: "dict[str, object]" = {"bundle": bundle, "valid": report.valid}
    for name, findings in (("problems", report.problems), ("warnings", report.warnings)):
        found[name] = [{"pointer": pointer, "message": message} for pointer, message in findings]
    return found


def as_text(bundle: str, report: "Report") -> str:
    """The report for people: a line for each finding, then the sum."""
    lines = []
    for word, findings in (("error", report.problems), ("warning", report.warnings)):
        for pointer, message in findings:
            lines.append(f"{word}: {pointer}: {message}" if pointer else f"{word}: {message}")
    counts = f"{counted(report.problems, 'problem')}, {counted(report.warnings, 'warning')}"
    lines.append(f"{bundle}: {'valid' if report.valid else 'not valid'} ({counts})")
    return printable("\n".join(lines) + "\n")  # what is validated may be anybody's


def counted(findings: "list[tuple[str, str]]", word: str) -> str:
    """ "no problems", "1 problem", "2 problems"."""
    return f"{len(findings) or 'no'} {word}{'' if len(findings) == 1 else 's'}"
