"""What `flash.py` does for a chip: a file with its whole flash, the chip itself, or only the files
on it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from serial import SerialBase

from host_tools import (
    board_files,
    boot_watch,
    chip_flash,
    esp_image,
    image,
    micropython_image,
    ports,
)
from host_tools.banner import BANNER, NO_START, fields
from host_tools.boards import Board
from host_tools.errors import UserError
from host_tools.esptool import Esptool, resets
from host_tools.stale import CONFIGURATION

Site = Mapping[str, Any] | None
BANNER_S = 60.0


def image_only(
    board: Board, site: Site, micropython: Path | None, output: Path, *, verify: bool
) -> None:
    """Write the whole flash of a new board to `output`."""
    esp_image.sections_of(board)
    if site is None:
        raise UserError("--config is missing: the image would have no configuration")
    name, content = _micropython(board, micropython)
    files = image.build(board, site).files
    made = esp_image.make(board, content, name, files)
    esp_image.save(made.whole, output)
    typer.echo(f"image     {output}, {made.size} bytes; the site's credentials are in it")
    typer.echo(f"write     python -m esptool --chip {board.chip} write-flash 0x0 {output}")
    if verify:
        read = esp_image.read(board, output.read_bytes(), str(output))
        esp_image.verify(read.files, files, str(output))
        typer.echo(f"verified  {len(files)} files")


def whole(
    board: Board,
    port: str | None,
    site: Site,
    micropython: Path | None,
    folder: Path,
    *,
    erase: bool,
    verify: bool,
    keep_from: Path | None,
    baud: int | None,
) -> str:
    """Write MicroPython and files to the chip behind `port`, keep what it remembers unless
    `erase`, wait for its banner; return the port.
    """
    name, content = _micropython(board, micropython)
    files = image.build(board, site).files
    esp_image.make(board, content, name, files)  # what cannot be made touches no board
    kept_before = chip_flash.from_file(keep_from) if keep_from else None
    if erase and site is None:
        raise UserError("--config is missing: --erase removes the configuration of the board, too")
    chosen = ports.choose(board, port)
    ports.check(chosen)
    _, flash = esp_image.sections_of(board)
    tool = Esptool(board.chip, chosen, baud or (flash.baud if resets(chosen) else None))
    if erase or kept_before is not None:
        tool.probe()
        before = kept_before or chip_flash.NOTHING
    else:
        typer.echo("reading what the board remembers ...")
        before = chip_flash.previous(tool, board)
    done = chip_flash.write(tool, board, content, name, files, before, folder, erase=erase)
    if verify:
        chip_flash.verify(tool, done.image)
    size = sum(map(len, files.values()))
    typer.echo(f"flashed   MicroPython from {name}, {size} bytes of files")
    if verify:
        typer.echo(f"verified  MicroPython and {len(done.image.files)} files")
    _tell_kept(done.kept, done.removed)
    if not resets(chosen):
        typer.echo("waiting   reset the board now: a socket has no line that does")
    _await_banner(board, chosen, reset=resets(chosen))
    return chosen


def app_only(board: Board, port: str | None, site: Site, *, verify: bool) -> str:
    """Copy the files that changed over the MicroPython prompt, wait for the banner; return the
    port.
    """
    files = image.build(board, site).files
    chosen = ports.choose(board, port)
    with board_files.board_files(chosen, board.serial.baud) as there:
        board_files.check_chip(there, board)
        if site is None and not there.has(CONFIGURATION):
            raise UserError("--config is missing: this board has no configuration yet")
        done = there.update(files, lambda name: typer.echo(f"copying   {name}"))
        if verify:
            board_files.verify(there, files)
        typer.echo(f"copied    {len(done.written)} files of {len(files)}")
        if verify:
            typer.echo(f"verified  {len(files)} files")
        _tell_kept([], done.removed)
        _await_banner(board, chosen, opened=there.reset())
    return chosen


def _micropython(board: Board, given: Path | None) -> tuple[str, bytes]:
    path = micropython_image.find(board, given)
    return str(path), micropython_image.read(board, path)


def _tell_kept(kept: list[str], removed: list[str]) -> None:
    if kept:
        records = sum(name.startswith("state/") for name in kept)
        typer.echo(f"kept      {records} records of the device, {len(kept) - records} other files")
    if removed:
        typer.echo(f"removed   {', '.join(removed)}")


def _await_banner(
    board: Board, port: str, *, reset: bool = False, opened: SerialBase | None = None
) -> None:
    baud = board.serial.baud
    found = boot_watch.wait_line(
        port, BANNER, BANNER_S, baud=baud, reset=reset, opened=opened, fatal=NO_START
    )
    identity = " ".join(f"{key}={value}" for key, value in fields(found[1]).items())
    typer.echo(f"device    {identity or '(no identity in the banner)'}")
    typer.echo(f"port      {port}")
    typer.echo(f"attach    python -m host_tools console {port}")
    typer.echo(f"          mpremote connect {port}")
