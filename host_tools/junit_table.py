"""`junit-table`: what pytest wrote by --junitxml, as the table that is in the docs."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from host_tools.errors import UserError

_HEAD = "| tests | run | passed | failed | skipped | seconds |\n|---|---|---|---|---|---|\n"

BY_HAND = "<!-- by hand -->\n"  # in a page: what stands below this line is kept


@dataclass
class Row:
    """One test file: how its tests ended. `skipped`: reason -> number."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def read(path: Path) -> dict[str, Row]:
    """Read a report; keys are test files as `conformance/test_waking.py`. Raises `UserError`."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise UserError(f"{path}: no report of pytest --junitxml ({error})") from None
    rows: dict[str, Row] = {}
    for case in root.iter("testcase"):
        row = rows.setdefault(_file_of(case.get("classname", "")), Row())
        row.seconds += float(case.get("time", "0"))
        skipped = case.find("skipped")
        if skipped is not None:
            row.skipped[skipped.get("message", "")] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            row.failed.append(case.get("name", ""))
        else:
            row.passed += 1
    if not rows:
        raise UserError(f"{path}: no test in it")
    return rows


def _file_of(classname: str) -> str:
    """`tests.conformance.test_waking` or `tests.conformance.test_waking.TestClass`."""
    words = classname.split(".")
    at = next((at for at, word in enumerate(words) if word.startswith("test_")), len(words) - 1)
    return "/".join(words[1 if words[0] == "tests" else 0 : at + 1]) + ".py"


def table(rows: dict[str, Row]) -> str:
    """The report as Markdown: a line per file, all together, and why tests were skipped."""
    whole = Row()
    lines = []
    for name, row in sorted(rows.items()):
        lines.append(_line(f"`{name}`", row))
        whole.passed += row.passed
        whole.failed += row.failed
        whole.skipped += row.skipped
        whole.seconds += row.seconds
    text = _HEAD + "".join(lines) + _line("all", whole)
    if whole.failed:
        text += "\nFailed: " + ", ".join(f"`{name}`" for name in whole.failed) + ".\n"
    if whole.skipped:
        text += "\n| skipped | because |\n|---|---|\n"
        reasons: Counter[str] = Counter()
        for reason, count in whole.skipped.items():
            reasons[re.sub(r"\s+", " ", reason).replace("|", "/")] += count
        text += "".join(f"| {count} | {reason} |\n" for reason, count in reasons.most_common())
    return text


def _line(name: str, row: Row) -> str:
    failed, skipped = len(row.failed), row.skipped.total()
    run = row.passed + failed
    return f"| {name} | {run} | {row.passed} | {failed} | {skipped} | {row.seconds:.0f} |\n"


def command(
    reports: Annotated[
        list[Path],
        typer.Argument(help="What pytest --junitxml wrote; of a test file the last one counts."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write the page here, not to the screen; what is below its line "
            f"{BY_HAND.strip()} stays.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "The suite on QEMU",
) -> None:
    """Make the table of a test report: run, passed, skipped and why.

    Example: python -m host_tools junit-table out/qemu.xml --output docs/suite-on-qemu.md
    """
    rows: dict[str, Row] = {}
    for report in reports:
        rows |= read(report)
    text = table(rows)
    if output is None:
        typer.echo(text, nl=False)
        return
    before = output.read_text() if output.exists() else ""
    _, mark, tail = before.partition(BY_HAND)
    text = f"# {title}\n\nMade by `python -m host_tools junit-table`.\n\n{text}"
    output.write_text(text + (f"\n{mark}{tail}" if mark else ""))


def register(app: typer.Typer) -> None:
    app.command("junit-table")(command)
