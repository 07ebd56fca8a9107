"""`board start|stop|reset|power-cut|status|list`: boards that live without a terminal."""

from pathlib import Path
from typing import Annotated, Any

import typer

from host_tools import boards
from host_tools.flashing import DEFAULT_STATE
from host_tools.targets.kinds import Wishes, target_for
from host_tools.targets.pumped import PumpedTarget, running_boards

BoardName = Annotated[str, typer.Argument(help="A name under boards/.")]
StateFolder = Annotated[
    Path | None,
    typer.Option("--state", help="The board's folder [out/<board>].", show_default=False),
]

app = typer.Typer(
    help="Start, stop and reset boards.\n\n"
    "Example: python -m host_tools board power-cut unix --state out/unix",
    no_args_is_help=True,
)


def chosen(name: str, state: Path | None, wishes: Wishes = Wishes()) -> PumpedTarget:
    return target_for(boards.load(name), state or DEFAULT_STATE / name, wishes)


@app.command()
def start(
    board: BoardName,
    state: StateFolder = None,
    interpreter: Annotated[
        str | None, typer.Option(help="MicroPython unix port to run [$MICROPYTHON].")
    ] = None,
    micropython: Annotated[
        Path | None,
        typer.Option(
            help="MicroPython image for a blank chip [$ESP_CWMP_MICROPYTHON].",
            show_default=False,
        ),
    ] = None,
    netns: Annotated[str, typer.Option(help="Network namespace to run it in.")] = "",
) -> None:
    """Power a board up and print its serial port; one whose folder is empty has no program yet."""
    typer.echo(chosen(board, state, Wishes(interpreter, micropython, netns)).start())


@app.command()
def stop(board: BoardName, state: StateFolder = None) -> None:
    """Power a board down and close its port. Nothing happens when it does not run."""
    chosen(board, state).stop()


@app.command()
def reset(board: BoardName, state: StateFolder = None) -> None:
    """Restart at once, as the EN pin does; the port stays."""
    chosen(board, state).reset()


@app.command("power-cut")
def power_cut(board: BoardName, state: StateFolder = None) -> None:
    """Take the power away and give it back; the port stays."""
    chosen(board, state).power_cut()


@app.command()
def status(board: BoardName, state: StateFolder = None) -> None:
    """Say how a board is."""
    for key, value in chosen(board, state).status().items():
        typer.echo(f"{key:16}{'-' if value in (None, '') else value}")


@app.command("list")
def list_boards() -> None:
    """List the boards that run on this machine."""
    running = running_boards()
    if not running:
        typer.echo("no board runs (python flash.py --board unix --config site.toml)")
    for one in running:
        typer.echo(line(one))


def line(one: dict[str, Any]) -> str:
    power = "on" if one["power"] else "off"
    space = f" netns={one['netns']}" if one["netns"] else ""
    details = f"power={power} boots={one['boots']}{space} state={one['state']}"
    return f"{one['kind']} {one['port']} {details}"


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="board")
