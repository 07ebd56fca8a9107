"""The whole flash of an ESP32-class board: MicroPython where its chip wants it, and our files as a
littlefs in the partition that MicroPython's own table names.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from host_tools import esp_format, littlefs_image
from host_tools.boards import Board, Flash, MicroPython
from host_tools.errors import Failed, UserError
from host_tools.esp_format import APP, DATA, TABLE_OFFSET, Partition

ERASED = b"\xff"


@dataclass(frozen=True)
class FlashImage:
    """`micropython` lies at `offset`, `filesystem` in the partition `vfs`; the rest is erased."""

    size: int
    offset: int
    micropython: bytes
    vfs: Partition
    filesystem: bytes

    @property
    def whole(self) -> bytes:
        """The flash from its first byte to its last."""
        head = ERASED * self.offset + self.micropython
        body = head.ljust(self.vfs.offset, ERASED) + self.filesystem
        return body.ljust(self.size, ERASED)

    @property
    def parts(self) -> dict[int, bytes]:
        """What has to be written: offset -> content."""
        return {self.offset: self.micropython, self.vfs.offset: self.filesystem}

    @property
    def files(self) -> dict[str, bytes]:
        """The files, read back from the file system."""
        return littlefs_image.read(self.filesystem)


def sections_of(board: Board) -> tuple[MicroPython, Flash]:
    """Return what board.toml says of its flash; raises `UserError` for a board without one."""
    if board.micropython is None or board.flash is None:
        raise UserError(f"board {board.name} has no flash that an image could be made for")
    return board.micropython, board.flash


def filesystem_partition(board: Board, micropython: bytes, name: str) -> Partition:
    """Check a MicroPython image (`name` is for errors) against its board, and return the partition
    for our files. Raises `UserError`.
    """
    pinned, flash = sections_of(board)
    try:
        chip = esp_format.app_image(micropython).chip
        if chip != board.chip:
            raise UserError(
                f"{name}: this MicroPython is for {chip}, the board {board.name} has an"
                f" {board.chip}"
            )
        table = esp_format.partitions(micropython[TABLE_OFFSET - pinned.offset :])
        app = _app(table)
        esp_format.app_image(micropython[app.offset - pinned.offset :])
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None
    if pinned.offset + len(micropython) > app.end:
        raise UserError(
            f"{name}: MicroPython does not fit: it ends at {pinned.offset + len(micropython):#x},"
            f" its partition {app.label!r} at {app.end:#x}"
        )
    vfs = labelled(table, flash.filesystem)
    if vfs is None:
        known = ", ".join(row.label for row in table)
        raise UserError(f"{name}: no partition {flash.filesystem!r} for files, there are: {known}")
    if vfs.end > flash.bytes:
        raise UserError(
            f"{name}: made for {vfs.end / 2**20:g} MB of flash,"
            f" the board {board.name} has {flash.size}"
        )
    return vfs


def make(board: Board, micropython: bytes, name: str, files: Mapping[str, bytes]) -> FlashImage:
    """Put MicroPython and files together; raises `UserError` when they do not fit or do not belong
    together. `name` of MicroPython's file is for errors. The same input makes the same bytes.
    """
    pinned, flash = sections_of(board)
    vfs = filesystem_partition(board, micropython, name)
    try:
        filesystem = littlefs_image.make(files, vfs.size)
    except littlefs_image.NoSpace as error:
        total = sum(map(len, files.values()))
        raise UserError(
            f"{len(files)} files of {total} bytes: {error}, the partition {vfs.label!r}"
        ) from None
    return FlashImage(flash.bytes, pinned.offset, micropython, vfs, filesystem)


def read(board: Board, whole: bytes, name: str) -> FlashImage:
    """Take apart what `FlashImage.whole` put together: the flash of a board from the first byte
    on. Raises `UserError` when it is not one.
    """
    pinned, flash = sections_of(board)
    if len(whole) != flash.bytes:
        raise UserError(f"{name}: {len(whole)} bytes, the flash of {board.name} has {flash.bytes}")
    micropython = _micropython_in(whole, pinned.offset, name)
    vfs = filesystem_partition(board, micropython, name)
    filesystem = whole[vfs.offset : vfs.end]
    return FlashImage(flash.bytes, pinned.offset, micropython, vfs, filesystem)


def _micropython_in(whole: bytes, offset: int, name: str) -> bytes:
    try:
        app = _app(esp_format.partitions(whole[TABLE_OFFSET:]))
        end = app.offset + esp_format.app_image(whole[app.offset :]).size
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None
    return whole[offset:end]


def verify(found: Mapping[str, bytes], wanted: Mapping[str, bytes], where: str) -> None:
    """Compare file by file; raises `Failed` that names those that are missing, differ, or should
    not be there.
    """
    wrong = [
        f"{name} {'is missing' if name not in found else 'differs'}"
        for name in sorted(wanted)
        if found.get(name) != wanted[name]
    ]
    wrong += [f"{name} should not be there" for name in sorted(found.keys() - wanted.keys())]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise Failed(f"{where}: {', '.join(wrong[:5])}{more}")


def save(content: bytes, path: Path) -> None:
    """Write an image so that only its owner can read it: the site's credentials are in it."""
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def labelled(table: list[Partition], label: str) -> Partition | None:
    """Return the partition for files that has this label."""
    return next((row for row in table if row.type == DATA and row.label == label), None)


def _app(table: list[Partition]) -> Partition:
    app = next((row for row in table if row.type == APP), None)
    if app is None:
        raise ValueError("no partition for a program in its table")
    return app
