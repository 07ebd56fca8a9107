"""`python -m host_tools sim`: the core of the firmware in simulated time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from host_tools.errors import Failed, UserError
from host_tools.sim import keepalives as traffic
from host_tools.sim import matrix as cells
from host_tools.sim import outages as faults
from host_tools.sim.kinds import KINDS

sim = typer.Typer(
    no_args_is_help=True,
    help="The core of the firmware in simulated time: what docs/binding.md shows.",
)
Write = Annotated[
    Path | None,
    typer.Option(help="put the table into this Markdown file, between its markers"),
]


def show(
    head: Sequence[str], rows: Iterable[Sequence[str]], name: str, write: Path | None
) -> None:
    """Print a table, or put it between `<!-- name -->` and `<!-- /name -->` of a file."""
    rows = list(rows)
    if write is None:
        console = Console()
        if not console.is_terminal:
            console.width = 200
        table = Table(*head, box=box.SIMPLE)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    try:
        text = write.read_text()
    except OSError as error:
        raise UserError(f"{write}: {error.strerror}") from None
    before, found, rest = text.partition(first)
    _, ends, after = rest.partition(last)
    if not found or not ends:
        raise UserError(f"{write}: it has no lines {first.strip()} and {last.strip()}")
    lines = ["| " + " | ".join(row) + " |" for row in [head, *rows]]
    lines.insert(1, "|" + "---|" * len(head))
    write.write_text(before + first + "\n".join(lines) + "\n" + last + after)


@sim.command("matrix")
def matrix(
    days: Annotated[int, typer.Option(min=1, help="simulated days of each cell")] = 2,
    seed: Annotated[int, typer.Option(help="of all chance")] = 1,
    nat: Annotated[list[str] | None, typer.Option(help=f"only: {', '.join(KINDS)}")] = None,
    server: Annotated[
        list[str] | None, typer.Option(help=f"only: {', '.join(cells.SERVERS)}")
    ] = None,
    timeout: Annotated[
        list[int] | None, typer.Option(min=12, help="of the NAT, seconds; several may be given")
    ] = None,
    write: Write = None,
) -> None:
    """Lifetime discovery: NAT kind x timeout x what the STUN server can do.

    Exit status 1 when a ring was missed, or the period is less than 90 % of the timeout though the
    server honours RESPONSE-ADDRESS.

    Example: python -m host_tools sim matrix --server honours --days 100
    """
    for given, known in ((nat, KINDS), (server, cells.SERVERS)):
        for name in given or ():
            if name not in known:
                raise UserError(f"no {name!r}: there are {', '.join(known)}")
    chosen = cells.grid(
        days, seed, nat or KINDS, server or cells.SERVERS, timeout or cells.TIMEOUTS
    )
    results = cells.over_all_cores(cells.simulate, chosen)
    show(cells.HEAD, cells.rows(results), "matrix", write)
    wrong = cells.wrong(results)
    if wrong:
        raise Failed("\n  ".join(["not as it must be:", *wrong]))


@sim.command("keepalives")
def keepalives(
    write: Write = None,
    plot: Annotated[Path | None, typer.Option(help="write the plot to this SVG file")] = None,
) -> None:
    """P7: keepalives per day against a fixed 30 s agent and against the ideal.

    Example: python -m host_tools sim keepalives --plot keepalives.svg
    """
    rows = cells.over_all_cores(traffic.measure, traffic.TIMEOUTS)
    show(traffic.HEAD, [row.cells() for row in rows], "keepalives", write)
    if plot is not None:
        try:
            plot.write_text(traffic.plot(rows))
        except OSError as error:
            raise UserError(f"{plot}: {error.strerror}") from None


@sim.command("outages")
def outages(
    seed: Annotated[int, typer.Option(help="of all chance")] = 1, write: Write = None
) -> None:
    """What goes wrong around the agent: time to recovery, datagrams sent meanwhile.

    Exit status 1 when it does not recover, or sends more than it may.

    Example: python -m host_tools sim outages
    """
    results = [faults.simulate(fault, seed) for fault in faults.OUTAGES]
    show(faults.HEAD, [result.cells() for result in results], "outages", write)
    wrong = faults.wrong(results)
    if wrong:
        raise Failed("\n  ".join(["not as it must be:", *wrong]))
