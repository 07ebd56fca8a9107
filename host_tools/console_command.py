"""`console`: the serial console on the command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from host_tools import console


def command(
    url: Annotated[
        str,
        typer.Argument(help="/dev/pts/3, /dev/ttyUSB0, socket://host:port, rfc2217://host:port"),
    ],
    log: Annotated[
        Path | None, typer.Option(help="Append what the board says to this file.")
    ] = None,
    timestamps: Annotated[
        bool | None,
        typer.Option("--timestamps/--no-timestamps", help="[on at a terminal, off in a pipe]"),
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.")] = False,
    baud: Annotated[int, typer.Option(help="Bits per second, for a real port.")] = 115200,
) -> None:
    """Open a board's serial console; Ctrl-] leaves, Ctrl-C goes to the board.

    In a pipe: echo status | python -m host_tools console /dev/pts/3
    """
    sys.exit(console.run(url, log=log, timestamps=timestamps, colour=not no_color, baud=baud))


def register(app: typer.Typer) -> None:
    app.command("console")(command)
