"""`id-table`: which test proves which requirement, read from the names of the tests."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent
# test_ucr_20_..., test_b3_..., test_b1_ucr_11_...: one id or several, before the words
_ID = re.compile(r"_((?:[a-z]+_\d+[a-z]?)|(?:[bxp]\d+))(?=_|$)")


def requirements(test: str) -> list[str]:
    """Return the ids that a test's name begins with, as documents write them: UCR-20, B3."""
    ids, rest = [], test.removeprefix("test")
    while match := _ID.match(rest):
        ids.append(match[1].upper().replace("_", "-"))
        rest = rest[match.end() :]
    return ids


def collect(tests: Path) -> dict[str, list[str]]:
    """Return {id: ["tests/unit/test_x.py::test_...", ...]} for the tests below `tests`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for name in requirements(node.name) if node.name.startswith("test_") else ():
                found[name].append(f"{path.relative_to(tests.parent).as_posix()}::{node.name}")
    return dict(found)


def order(name: str) -> tuple[str, int, str]:
    """Sort UCR-9 before UCR-10."""
    match = re.fullmatch(r"([A-Z]+)-?(\d+)(.*)", name)
    assert match is not None
    return match[1], int(match[2]), match[3]


def table(found: dict[str, list[str]]) -> str:
    lines = [
        "# Requirements and their tests",
        "",
        "Made by `make docs` from the names of the tests; do not edit.",
        "",
        "| id | tests |",
        "|---|---|",
    ]
    for name in sorted(found, key=order):
        lines.append(f"| {name} | {'<br>'.join(f'`{test}`' for test in found[name])} |")
    return "\n".join(lines) + "\n"


def command(
    output: Annotated[Path, typer.Option(help="File to write.")] = ROOT
    / "docs"
    / "requirements.md",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if it is old.")
    ] = False,
) -> None:
    """Write the table of requirement ids and the tests that prove them."""
    found = collect(ROOT / "tests")
    text = table(found)
    if check:
        old = output.read_text(encoding="utf-8") if output.exists() else ""
        if old != text:
            typer.echo(f"{output} is old: run `make docs`", err=True)
            raise typer.Exit(1)
        return
    output.write_text(text, encoding="utf-8")
    typer.echo(f"{output.name}: {len(found)} ids, {sum(map(len, found.values()))} tests")


def register(app: typer.Typer) -> None:
    app.command("id-table")(command)
