"""`id-table`: which test proves which requirement, as docs/requirements.md.

A test says in its name what it proves: `test_stun_32_33_both_variants`, `test_b26_ucr_24_...`,
`test_cwmp_10_and_11_...`; area and two digits, pitfalls as x or b and a number.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from host_tools.errors import Failed
from host_tools.tomlfile import read_toml

ROOT = Path(__file__).resolve().parent.parent
AREAS = ("stun", "ucr", "tcr", "cwmp", "dm", "vec")
HEAD = """# Requirements and their tests

Made by `make docs` from docs/requirements.toml and the names of the tests; do not edit it.
Live tests talk to a CPE over its serial port and the network; all others prove a part of it.
"""


@dataclass(frozen=True)
class Requirements:
    """Ids in order, each with what it asks for; `untested`: required ids without a test, why."""

    required: Mapping[str, str]
    later: Mapping[str, str]
    untested: Mapping[str, str]


def ids_in(name: str) -> list[str]:
    """Return the ids that the name of a test holds, in order: ['STUN-32', 'B11', ...]."""
    found: list[str] = []
    area = ""
    for word in name.removeprefix("test_").split("_"):
        if word in AREAS:
            area = word
        elif area and re.fullmatch(r"\d\d", word):
            found.append(f"{area.upper()}-{word}")
        elif word != "and":
            area = ""
            if re.fullmatch(r"[bx][1-9]\d?", word):
                found.append(word.upper())
    return found


def tests_below(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (file relative to `folder`, name) of every test function."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if node.name.startswith("test_"):
                yield path.relative_to(folder).as_posix(), node.name


def load(path: Path) -> Requirements:
    data = read_toml(path)
    return Requirements(data["required"], data["later"], data["untested"])


def collect(folder: Path, known: Requirements) -> dict[str, list[tuple[str, str]]]:
    """Return the tests of each known id; `Failed` names a test that claims an unknown one."""
    found: dict[str, list[tuple[str, str]]] = {id: [] for id in (*known.required, *known.later)}
    for file, name in tests_below(folder):
        for id in dict.fromkeys(ids_in(name)):
            if id not in found:
                raise Failed(f"tests/{file}: {name} claims {id}, which is in no list")
            found[id].append((file, name))
    return found


def gaps(known: Requirements, found: Mapping[str, list[tuple[str, str]]]) -> list[str]:
    """Return what is wrong, a line each: required ids without test or reason, reasons outlived."""
    wrong = [
        f"{id} ({text}) has no test and no reason under [untested]"
        for id, text in known.required.items()
        if not found[id] and id not in known.untested
    ]
    for id in known.untested:
        if id not in known.required:
            wrong.append(f"{id} is under [untested] and not under [required]")
        elif found[id]:
            wrong.append(f"{id} has a test by now: take it out of [untested]")
    return wrong


def table(known: Requirements, found: Mapping[str, list[tuple[str, str]]]) -> str:
    """Return docs/requirements.md."""
    tested = sum(1 for id in known.required if found[id])
    lines = [HEAD, f"{tested} of {len(known.required)} required ids have tests.", ""]
    lines += _section(known.required, known.untested, found)
    lines += ["", "## Known already, for later", ""]
    lines += _section(known.later, {}, found)
    return "\n".join(lines) + "\n"


def _section(
    ids: Mapping[str, str],
    reasons: Mapping[str, str],
    found: Mapping[str, list[tuple[str, str]]],
) -> list[str]:
    lines = ["| id | asks for | tests |", "|---|---|---|"]
    for id, text in ids.items():
        by_file: dict[str, list[str]] = {}
        for file, name in found[id]:
            by_file.setdefault(file, []).append(name)
        cells = [
            f"[{file}](../tests/{file}): " + ", ".join(f"`{name}`" for name in sorted(set(names)))
            for file, names in sorted(by_file.items())
        ]
        if id in reasons:
            cells.append(f"none: {reasons[id]}")
        lines.append(f"| {id} | {text} | {'<br>'.join(cells) or 'none yet'} |")
    return lines


def make(root: Path = ROOT) -> str:
    """Return what docs/requirements.md has to say; `Failed` with every gap."""
    known = load(root / "docs" / "requirements.toml")
    found = collect(root / "tests", known)
    wrong = gaps(known, found)
    if wrong:
        raise Failed("\n  ".join(["the tests do not cover the requirements:", *wrong]))
    return table(known, found)


def command(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when the table is out of date.")
    ] = False,
) -> None:
    """Write docs/requirements.md: which test proves which requirement.

    Fails when a required id has neither a test nor a reason.
    """
    path = ROOT / "docs" / "requirements.md"
    text = make()
    if not check:
        path.write_text(text)
        typer.echo(f"wrote {path.relative_to(ROOT)}")
    elif not path.exists() or path.read_text() != text:
        raise Failed("docs/requirements.md is out of date: run `make docs`")


def register(app: typer.Typer) -> None:
    app.command("id-table")(command)
