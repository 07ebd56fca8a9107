"""From a site's configuration to a board that runs it: what `flash.py` does."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from host_tools import boards, image
from host_tools.errors import UserError
from host_tools.targets.base import Target
from host_tools.targets.unix import DEFAULT_HEAP, UnixTarget

BANNER = r"^[DIWE] \d+ boot: start\b(.*)$"
# A prompt, or a traceback, before the banner: waiting longer does not help.
NO_START = r"^(?:>>> |board: crash)"
DEFAULT_STATE = Path("out")


@dataclass(frozen=True)
class Flashed:
    """`banner`: what the firmware said of itself; `size`: bytes of the image; `removed`: stale
    files.
    """

    target: Target
    port: str
    banner: dict[str, str]
    size: int
    removed: list[str]


def target_for(
    board: boards.Board,
    state: Path,
    *,
    interpreter: str | None = None,
    netns: str = "",
    detached: bool = True,
) -> Target:
    """Make the target that a board file asks for."""
    if board.target == "unix":
        heap = board.options.get("heap", DEFAULT_HEAP)
        return UnixTarget(
            state, interpreter=interpreter, heap=heap, netns=netns, detached=detached
        )
    raise UserError(f"board {board.name}: no target {board.target!r}")


def flash(
    target: Target, content: image.Image, *, erase: bool = False, timeout: float = 20.0
) -> Flashed:
    """Install the image, power up and wait for the firmware's banner; raises `Failed` with the
    board's last words.
    """
    removed = target.install(content.files, erase=erase)
    since = target.log_position()
    port = target.start()
    found = target.wait_line(BANNER, since, timeout, fatal=NO_START)
    return Flashed(target, port, fields(found[1]), content.size, removed)


def fields(text: str) -> dict[str, str]:
    """Read the `key=value` words of a log line; values with spaces stand in double quotes."""
    return {
        key: quoted or plain
        for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S*))', text)
    }


def command(
    board: Annotated[str, typer.Option(help=f"One of: {', '.join(boards.names())}.")],
    config: Annotated[
        Path | None, typer.Option(help="The site's configuration (TOML).", show_default=False)
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the unix board: its flash and log [out/<board>].", show_default=False
        ),
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Wipe the flash first: what the device remembers, too.")
    ] = False,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Open the serial console afterwards.")
    ] = False,
    interpreter: Annotated[
        str | None,
        typer.Option(
            help="MicroPython for the unix board [$MICROPYTHON, else the installed one]."
        ),
    ] = None,
    netns: Annotated[str, typer.Option(help="Network namespace to run the unix board in.")] = "",
) -> None:
    """Build the firmware for a board, put it there, start it and say how to reach it.

    Flashing again replaces the code and the configuration, and keeps what the device remembers.

    \b
    Examples:
      python flash.py --board unix --config site.toml
      python flash.py --board unix --config site.toml --state out/second --monitor
    """
    chosen = boards.load(board)
    folder = state or DEFAULT_STATE / board
    if config is None and not (folder / "flash" / "site.json").exists():
        raise UserError("--config is missing: this board has no configuration yet")
    site = image.read_site(config) if config is not None else None
    target = target_for(chosen, folder, interpreter=interpreter, netns=netns)
    content = image.build(chosen, site)
    done = flash(target, content, erase=erase)
    show(done)
    if monitor:
        from host_tools.console import run

        sys.exit(run(done.port))


def show(done: Flashed) -> None:
    identity = " ".join(f"{key}={value}" for key, value in done.banner.items())
    typer.echo(
        f"flashed   {done.size} bytes"
        + (f", {len(done.removed)} stale files removed" if done.removed else "")
    )
    typer.echo(f"device    {identity or '(no identity in the banner)'}")
    typer.echo(f"port      {done.port}")
    typer.echo(f"log       {done.target.log_path}")
    typer.echo(f"attach    python -m host_tools console {done.port}")
    typer.echo(f"          mpremote connect {done.port}")
    typer.echo(f"stop      python -m host_tools board stop unix --state {done.target.state}")
