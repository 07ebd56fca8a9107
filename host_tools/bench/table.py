"""The table of a benchmark run: one row per figure, in the order of docs/benchmarks.md."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from host_tools.targets.unix import DEFAULT_HEAP


@dataclass(frozen=True)
class Row:
    """One figure. `value` is a ratio or a count, `target` the bound it is held to (None: it is
    only reported).
    """

    id: str
    figure: str
    value: float
    unit: str
    against: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met, None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the cells of the row as text."""
        bound = ""
        if self.target is not None:
            bound = f"{'>=' if self.at_least else '<='} {self.target:g}"
        mark = {None: "", True: "met", False: "NOT MET"}[self.met]
        shown = f"{self.value:.2f}" if self.unit.startswith("x") else f"{self.value:,.0f}"
        return (
            self.id,
            self.figure,
            f"{shown} {self.unit}",
            self.against,
            f"{bound} {mark}".strip(),
        )


HEAD = ("id", "figure", "value", "against", "target")


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown page."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench ARGS='--write docs/benchmarks.md'`. Every figure is a ratio of",
        "medians or minima within one run on one machine, or a count; the floors are in",
        "`host_tools/bench/`. Times of one run say nothing about another machine, ratios do.",
        "",
        f"Run with {platform.python_implementation()} {platform.python_version()} on"
        f" {platform.system()} {platform.machine()}; MicroPython unix port with a heap of"
        f" {DEFAULT_HEAP}.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
    ]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines) + "\n"
