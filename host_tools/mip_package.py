"""`mip-package`: firmware/package.json, by which `mip install` finds the files of the package."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from host_tools import boards, image
from host_tools.boards import Board
from host_tools.errors import Failed
from host_tools.image import FIRMWARE

LIST = FIRMWARE / "package.json"
REMEDY = "python -m host_tools mip-package --write"


def package(firmware: Path = FIRMWARE) -> dict[str, Any]:
    """Return what package.json has to say of this tree."""
    init = (firmware / "cwmp" / "__init__.py").read_text()
    version = re.search(r'^VERSION = "([^"]+)"$', init, re.MULTILINE)
    if version is None:
        raise Failed(f"{firmware / 'cwmp' / '__init__.py'}: no VERSION in it")
    files = sorted(
        path.relative_to(firmware).as_posix() for path in (firmware / "cwmp").rglob("*.py")
    )
    return {"urls": [[name, name] for name in files], "deps": [], "version": version[1]}


def text_of(told: dict[str, Any]) -> str:
    """Return the file for that: one line for each module, so that changes are easy to read."""
    rows = ",\n".join(f"    {json.dumps(row)}" for row in told["urls"])
    rest = json.dumps({key: told[key] for key in ("deps", "version")})
    return f'{{\n  "urls": [\n{rows}\n  ],\n  {rest[1:-1]}\n}}\n'


def stale(listed: Path = LIST) -> list[str]:
    """Return what is wrong with the file, a line each; nothing when it is as the tree is."""
    try:
        told = json.loads(listed.read_text())
        there = {name for name, _ in told["urls"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{listed.name} cannot be read: {error}"]
    wanted = package(listed.parent)
    names = {name for name, _ in wanted["urls"]}
    wrong = [f"{name} is not in it" for name in sorted(names - there)]
    wrong += [f"{name} is in it and not in the tree" for name in sorted(there - names)]
    if told["version"] != wanted["version"]:
        wrong.append(f"version {told['version']}, the firmware is {wanted['version']}")
    if not wrong and told != wanted:
        wrong.append("not as it would be written")
    return wrong


def build(folder: Path, board: Board) -> int:
    """Write the package compiled for `board` and its package.json into `folder`; return how many
    files. A board has hardly the memory to compile the sources itself.
    """
    files = {
        name.removeprefix("lib/"): content
        for name, content in image.build(board, None).files.items()
        if name.startswith("lib/")
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    told = {**package(), "urls": [[name, name] for name in sorted(files)]}
    (folder / LIST.name).write_text(text_of(told))
    return len(files)


def command(
    write: Annotated[bool, typer.Option("--write", help="Make it as the tree is.")] = False,
    compiled: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Make a package of compiled modules there, with a package.json of its own.",
            show_default=False,
        ),
    ] = None,
    board: Annotated[
        str, typer.Option(help="The board that they are compiled for.")
    ] = "esp32_generic",
) -> None:
    """Check that firmware/package.json lists the files of the firmware, or write it.

    \b
    Examples:
      python -m host_tools mip-package --write
      python -m host_tools mip-package --compiled out/mip
      mpremote mip install out/mip/package.json
    """
    if compiled is not None:
        count = build(compiled, boards.load(board))
        typer.echo(f"written   {compiled / LIST.name}, {count} files")
        return
    wrong = stale()
    if write:
        LIST.write_text(text_of(package()))
        typer.echo(f"written   {LIST}" if wrong else f"the same  {LIST}")
    elif wrong:
        raise Failed(f"{LIST.name} is stale: {'; '.join(wrong)} ({REMEDY})")
    else:
        typer.echo(f"up to date, {len(package()['urls'])} files")


def register(app: typer.Typer) -> None:
    app.command("mip-package")(command)
