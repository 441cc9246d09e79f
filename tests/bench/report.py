"""Figures, targets and the table for people."""

import statistics
import typing

Samples = dict[str, dict[str, list[float]]]
"""measurement -> runtime -> values"""

SHORT = ("start", "state", "kill", "delete")
TIMED = ("run, default bundle", "run, docker config", "create", *SHORT, "exec", "exec -d")
BARE = "bare python"
WARM = "whole container, warm library"
CRUN_BARE = "crun, no cgroup"
KB, MB = 1024, 1024 * 1024


class Target:
    """One promise: `value` against `limit`, in `unit`; met is None where it could not be measured."""

    def __init__(self, name: str, value: float | None, limit: float, unit: str, *, below: bool = False) -> None:
        self.name = name
        self.value = value
        self.limit = limit
        self.unit = unit
        self.relation = "<" if below else "<="
        self.met = None if value is None else (value < limit if below else value <= limit)

    def line(self) -> str:
        """The target as one line of the table."""
        verdict = {True: "met", False: "MISSED", None: "not measured"}[self.met]
        value = "-" if self.value is None else f"{self.value:.2f}"
        return f"  {verdict:<13} {self.name:<46} {value:>8}   ({self.relation} {self.limit:g} {self.unit})"

    def as_dict(self) -> dict[str, typing.Any]:
        """For --json."""
        return {
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "relation": self.relation,
            "met": self.met,
        }


def median(samples: Samples, measurement: str, runtime: str) -> float | None:
    """The median of one cell, None where nothing was measured."""
    values = samples.get(measurement, {}).get(runtime)
    return statistics.median(values) if values else None


def minimum(samples: Samples, measurement: str, runtime: str) -> float | None:
    """The minimum of one cell, None where nothing was measured."""
    values = samples.get(measurement, {}).get(runtime)
    return min(values) if values else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """ours / theirs where both are known."""
    return ours / theirs if ours is not None and theirs else None


def difference(ours: float | None, theirs: float | None) -> float | None:
    """ours - theirs where both are known."""
    return ours - theirs if ours is not None and theirs is not None else None


def targets(samples: Samples) -> list[Target]:
    """What the project has promised, judged by medians."""

    def med(measurement: str, runtime: str = "pyrunc") -> float | None:
        return median(samples, measurement, runtime)

    def scaled(value: float | None, unit: int) -> float | None:
        return None if value is None else value / unit

    bare = med(BARE, BARE)
    found = [
        Target(name, ratio(med(name), med(name, "runc")), limit, "x runc")
        for name, limit in (("run, default bundle", 0.9), ("run, docker config", 0.6))
    ]
    found += [Target(f"{name}, over bare Python", difference(med(name), bare), 3.0, "ms") for name in SHORT]
    found += [
        Target(WARM, ratio(med(WARM), med(WARM, CRUN_BARE)), 1.0, "x crun run without a cgroup"),
        Target("PSS of a created container", scaled(med("pss"), MB), 1.0, "MB"),
        Target("cgroup's memory peak for /bin/true", scaled(med("peak"), MB), 1.5, "MB", below=True),
        Target("descriptors gained by the warm interpreter", med("warm descriptors gained"), 0, "descriptors"),
        Target("memory gained by the warm interpreter", scaled(med("warm kB gained"), KB), 1.0, "MB"),
    ]
    return found


def cell(samples: Samples, measurement: str, runtime: str, unit: float = 1, digits: int = 2) -> str:
    """median (minimum) of one cell, or a dash."""
    middle, least = median(samples, measurement, runtime), minimum(samples, measurement, runtime)
    if middle is None or least is None:
        return "-"
    return f"{middle / unit:.{digits}f} ({least / unit:.{digits}f})"


def pair(value: float | None, least: float | None) -> str:
    """A figure from medians with the one from minima beside it."""
    return "-" if value is None or least is None else f"{value:.2f} ({least:.2f})"


def table(samples: Samples, runtimes: typing.Sequence[str]) -> list[str]:
    """The lines of the whole table."""
    columns = [*runtimes]
    rows: list[list[str]] = [["ms: median (minimum)", *columns, "pyrunc / runc", "over bare Python"]]
    bare, bare_least = median(samples, BARE, BARE), minimum(samples, BARE, BARE)
    rows.append(["python3 -I -S -c pass", cell(samples, BARE, BARE), *[""] * (len(columns) + 1)])
    for name in TIMED:
        ours, least = median(samples, name, "pyrunc"), minimum(samples, name, "pyrunc")
        rows.append(
            [
                name,
                *(cell(samples, name, runtime) for runtime in columns),
                pair(
                    ratio(ours, median(samples, name, "runc")),
                    ratio(least, minimum(samples, name, "runc")),
                ),
                pair(difference(ours, bare), difference(least, bare_least)),
            ]
        )
    rows.append([WARM, *(cell(samples, WARM, runtime) for runtime in columns), "", ""])
    rows.append([])
    rows.append(["memory", *columns, "", ""])
    rows.append(["PSS of a created container, kB", *(cell(samples, "pss", r, KB, 0) for r in columns), "", ""])
    rows.append(["  processes in it", *(cell(samples, "processes", r, 1, 0) for r in columns), "", ""])
    rows.append(["cgroup's peak for /bin/true, kB", *(cell(samples, "peak", r, KB, 0) for r in columns), "", ""])
    return align(rows)


def align(rows: list[list[str]]) -> list[str]:
    """Rows as lines: the first column to the left, the others to the right."""
    full = [row for row in rows if row]
    widths = [max(len(row[i]) for row in full) for i in range(len(full[0]))]
    lines = []
    for row in rows:
        texts = [
            text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("   ".join(texts).rstrip())
    return lines
