"""Flashes a real chip with esptool: MicroPython and our files, with what the device remembers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from host_tools import esp_format, esp_image, littlefs_image
from host_tools.boards import Board
from host_tools.errors import Failed, UserError
from host_tools.esp_image import FlashImage
from host_tools.esptool import Esptool
from host_tools.stale import CONFIGURATION, LIST, listed_in, stale

RESCUED = "file-system-before.bin"


@dataclass(frozen=True)
class Written:
    """`kept`: files that stayed from before; `removed`: stale ones that went."""

    image: FlashImage
    kept: list[str]
    removed: list[str]


@dataclass(frozen=True)
class Previous:
    """The file system of a board as it was before: its bytes, and the files in it."""

    raw: bytes
    files: Mapping[str, bytes]


NOTHING = Previous(b"", {})


def previous(tool: Esptool, board: Board) -> Previous:
    """Read the file system that is on the board; NOTHING when it never had one. Raises `Failed`
    when there is one and it cannot be read: it is not for us to wipe it.
    """
    _, flash = esp_image.sections_of(board)
    table = tool.read(esp_format.TABLE_OFFSET, esp_format.TABLE_SIZE)
    try:
        vfs = esp_image.labelled(esp_format.partitions(table), flash.filesystem)
    except ValueError:
        return NOTHING  # a blank chip, or one that something else was on
    if vfs is None:
        return NOTHING
    raw = tool.read(vfs.offset, vfs.size)
    return _opened(raw, "the file system on the board")


def from_file(path: Path) -> Previous:
    """Take the file system that an interrupted flash has left in a file."""
    try:
        return _opened(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _opened(raw: bytes, name: str) -> Previous:
    if not raw.strip(esp_image.ERASED):
        return NOTHING
    try:
        return Previous(raw, littlefs_image.read(raw))
    except ValueError as error:
        raise Failed(
            f"{name}: {error}: what the device remembers cannot be kept; nothing was changed"
            " (--erase makes it a new device)"
        ) from None


def merged(
    files: Mapping[str, bytes], before: Mapping[str, bytes]
) -> tuple[dict[str, bytes], list[str], list[str]]:
    """Return what goes onto the flash, which files of `before` are kept, and which are not."""
    removed = stale(before, listed_in(before.get(LIST, b"")), files)
    kept = sorted(before.keys() - files.keys() - set(removed) - {LIST})
    return {**{name: before[name] for name in kept}, **files}, kept, removed


def write(
    tool: Esptool,
    board: Board,
    micropython: bytes,
    name: str,
    files: Mapping[str, bytes],
    before: Previous,
    folder: Path,
    *,
    erase: bool,
) -> Written:
    """Write the whole image and return it. `folder` is where the file system of before lies while
    the flash is incomplete; `Failed` says so when it stays incomplete.
    """
    content, kept, removed = merged(files, before.files)
    if CONFIGURATION not in content:
        raise UserError("--config is missing: this board has no configuration yet")
    image = esp_image.make(board, micropython, name, content)
    rescued = folder / RESCUED
    resume = "run the same command again, it starts from the beginning"
    if before.raw:
        esp_image.save(before.raw, rescued)
        resume += f", with --keep-from {rescued}: what the device remembered is there"
    try:
        tool.write(image.parts, erase=erase)
    except UserError as error:
        raise Failed(f"{error}; the flash may be incomplete: {resume}") from None
    except KeyboardInterrupt:
        raise Failed(f"interrupted, the flash may be incomplete: {resume}") from None
    rescued.unlink(missing_ok=True)
    return Written(image, kept, removed)


def verify(tool: Esptool, image: FlashImage) -> None:
    """Compare MicroPython by its digest, and file by file what is read back beside it."""
    tool.verify(image.offset, image.micropython)
    try:
        found = littlefs_image.read(tool.read(image.vfs.offset, image.vfs.size))
    except ValueError as error:
        raise Failed(f"the file system on the flash: {error}: run the command again") from None
    esp_image.verify(found, image.files, "flash")
