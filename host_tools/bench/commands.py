"""`python -m host_tools bench`: runs the benchmarks and prints, or writes, their table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from host_tools.bench import boot, datagrams, flashing, flood, size, streaming, table, wake
from host_tools.bench.rig import rig
from host_tools.errors import Failed, UserError

BENCHES = {
    "wake": wake.measure,
    "datagrams": datagrams.measure,
    "flood": flood.measure,
    "streaming": streaming.measure,
    "boot": boot.measure,
    "size": size.measure,
    "flashing": flashing.measure,
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(help=f"which: {', '.join(BENCHES)}; all when none is named"),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="write the table to this Markdown file")
    ] = None,
) -> None:
    """Measure the firmware on the unix port, as ratios within this run.

    Takes about two minutes; other work on the machine makes the figures worse. Exit status
    1 when a target is missed.

    Example: python -m host_tools bench wake datagrams
    """
    unknown = [name for name in names or () if name not in BENCHES]
    if unknown:
        raise UserError(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHES)}")
    console = Console()
    rows: list[table.Row] = []
    with rig() as board:
        for name in names or BENCHES:
            with console.status(f"measuring {name} ..."):
                rows += BENCHES[name](board)
    shown = Table(*table.HEAD)
    for row in rows:
        style = "red" if row.met is False else None
        shown.add_row(*row.cells(), style=style)
    console.print(shown)
    if write is not None:
        write.write_text(table.markdown(rows))
        console.print(f"written to {write}")
    missed = [row.figure for row in rows if row.met is False]
    if missed:
        raise Failed("target missed: " + "; ".join(missed))
