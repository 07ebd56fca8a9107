"""From a site's configuration to a board that runs it: what `flash.py` does."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from host_tools import boards, chip_flashing, image
from host_tools.banner import BANNER, NO_START, fields
from host_tools.errors import UserError
from host_tools.stale import CONFIGURATION
from host_tools.targets.kinds import Wishes, target_for
from host_tools.targets.pumped import PumpedTarget

DEFAULT_STATE = Path("out")


@dataclass(frozen=True)
class Flashed:
    """`banner`: what the firmware said of itself; `size`: bytes of the image; `removed`: stale
    files.
    """

    target: PumpedTarget
    port: str
    banner: dict[str, str]
    size: int
    removed: list[str]


def flash(
    target: PumpedTarget, content: image.Image, *, erase: bool = False, timeout: float = 20.0
) -> Flashed:
    """Install the image, power up and wait for the firmware's banner (`timeout` x the target's
    pace); raises `Failed` with the board's last words.
    """
    removed = target.install(content.files, erase=erase)
    since = target.log_position()
    port = target.start()
    found = target.wait_line(BANNER, since, timeout * target.pace, fatal=NO_START)
    return Flashed(target, port, fields(found[1]), content.size, removed)


def command(
    board: Annotated[str, typer.Option(help=f"One of: {', '.join(boards.names())}.")],
    port: Annotated[
        str | None,
        typer.Option(
            help="Serial port of a real board: a device, rfc2217://host:port or"
            " socket://host:port [the only one with a USB id of the board].",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The site's configuration (TOML).", show_default=False)
    ] = None,
    micropython: Annotated[
        Path | None,
        typer.Option(
            help="MicroPython image for the chip [$ESP_CWMP_MICROPYTHON, else what"
            " `python -m host_tools fetch firmware` got].",
            show_default=False,
        ),
    ] = None,
    image_only: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the whole flash to a file, no board.", show_default=False
        ),
    ] = None,
    app_only: Annotated[
        bool,
        typer.Option(
            "--app-only",
            help="Leave MicroPython as it is: copy only the files that changed, over its prompt.",
        ),
    ] = False,
    erase: Annotated[
        bool, typer.Option("--erase", help="Wipe the flash first: what the device remembers, too.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read back what was written, compare file by file.")
    ] = False,
    keep_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="After an interrupted flash: the file that it named.",
            show_default=False,
        ),
    ] = None,
    baud: Annotated[
        int | None,
        typer.Option(
            help="Bits per second while writing [the board's; unchanged over socket://].",
            show_default=False,
        ),
    ] = None,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Open the serial console afterwards.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder of what the host keeps of a board [out/<board>].", show_default=False
        ),
    ] = None,
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
      python flash.py --board esp32_generic --port /dev/ttyUSB0 --config site.toml
      python flash.py --board esp32_generic --app-only
      python flash.py --board esp32s3_generic --config site.toml --image-only s3.bin
      python flash.py --board unix --config site.toml --state out/second --monitor
    """
    chosen = boards.load(board)
    folder = state or DEFAULT_STATE / board
    _agree(
        {
            "--image-only": image_only is not None,
            "--app-only": app_only,
            "--erase": erase,
            "--keep-from": keep_from is not None,
        }
    )
    site = image.read_site(config, network=chosen.network.driver) if config is not None else None
    if chosen.network.driver == "wlan" and site and not site.get("network", {}).get("ssid"):
        raise UserError(f"{config}: the board {board} has Wi-Fi: [network] ssid is missing")
    if image_only is not None:
        chip_flashing.image_only(chosen, site, micropython, image_only, verify=verify)
        return
    if app_only and (port or chosen.target == "serial"):
        reached = chip_flashing.app_only(chosen, port, site, verify=verify)
    elif port or chosen.target == "serial":
        reached = chip_flashing.whole(
            chosen,
            port,
            site,
            micropython,
            folder,
            erase=erase,
            verify=verify,
            keep_from=keep_from,
            baud=baud,
        )
    else:
        target = target_for(chosen, folder, Wishes(interpreter, micropython, netns))
        if config is None and not target.has(CONFIGURATION):
            raise UserError("--config is missing: this board has no configuration yet")
        done = flash(target, image.build(chosen, site), erase=erase)
        show(done)
        reached = done.port
    if monitor:
        from host_tools.console import run

        sys.exit(run(reached))


def _agree(given: Mapping[str, bool]) -> None:
    """Raise `UserError` when two options say different things about one flash."""
    named = [name for name, there in given.items() if there]
    if len(named) > 1:
        raise UserError(f"{' and '.join(named[:2])} exclude each other")


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
    stop = f"{done.target.usual_board} --state {done.target.state}"
    typer.echo(f"stop      python -m host_tools board stop {stop}")
