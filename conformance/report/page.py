"""One HTML page that needs nothing else: requirements down, runtimes across."""

from collections.abc import Callable, Mapping
from html import escape

from conformance.report.outcome import FAIL, PASS, SKIP, Outcome, Run

WORDS = {PASS: "pass", FAIL: "fail", SKIP: "skip"}

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem; vertical-align: top }
th { border-bottom: 2px solid #999; position: sticky; top: 0; background: #fff } td { border-bottom: 1px solid #ddd }
td.pass { color: #176f2c } td.fail { color: #b00020; font-weight: 600 } td.skip { color: #8a6d00 }
td .why { font-weight: 400; font-size: .85em; white-space: pre-wrap; color: #444; display: block }
code { font-size: .9em } .note { color: #555 }
"""


def written(
    runs: list[Run],
    title: str,
    *,
    words: "Mapping[str, str]" = WORDS,
    what: str = "requirement",
    overview: "Callable[[list[Run]], str] | None" = None,
) -> str:
    """The page.

    words: what results are called;  what: the heading of what was looked at;  overview: what stands above the details
    """
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"]
    parts.append(f"<h1>{escape(title)}</h1><p class=note>{escape(runs[0].host)}</p>")
    parts.append((overview or summary)(runs))
    for level in dict.fromkeys(one.level for run in runs for one in run.outcomes):
        parts.append(f"<h2>{escape(level)}</h2>{section(runs, level, words, what)}")
    return "".join(parts) + "\n"


def summary(runs: list[Run]) -> str:
    """The counts."""
    levels = list(dict.fromkeys(one.level for run in runs for one in run.outcomes))
    head = "".join(f"<th>{escape(level)} passed<th>failed<th>left out" for level in levels)
    rows = []
    for run in runs:
        counts = [(result, run.count(result, level)) for level in levels for result in (PASS, FAIL, SKIP)]
        cells = "".join(f"<td class={result}>{count}" for result, count in counts)
        rows.append(f"<tr><td>{escape(run.version)} <code>{escape(run.runtime)}</code>{cells}")
    return f"<table><tr><th>runtime{head}{''.join(rows)}</table>"


def section(runs: list[Run], level: str, words: "Mapping[str, str]", what: str) -> str:
    """The table of one level."""
    found = [{(one.number, one.title): one for one in run.outcomes if one.level == level} for run in runs]
    keys = sorted({key for outcomes in found for key in outcomes})
    head = "".join(f"<th>{escape(run.version)}" for run in runs)
    rows = []
    for key in keys:
        first = next(outcomes[key] for outcomes in found if key in outcomes)
        cells = "".join(cell(outcomes.get(key), words) for outcomes in found)
        rows.append(f"<tr><td>{first.number}<td><code>{escape(first.section)}</code><td>{escape(first.title)}{cells}")
    return f"<table><tr><th>#<th>section<th>{escape(what)}{head}{''.join(rows)}</table>"


def cell(one: "Outcome | None", words: "Mapping[str, str]") -> str:
    """One result, with its reason."""
    if one is None:
        return "<td class=skip>-"
    why = f"<span class=why>{escape(one.reason)}</span>" if one.reason else ""
    return f"<td class={one.result}>{escape(words[one.result])}{why}"
