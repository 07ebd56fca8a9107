"""MicroPython images for tests: valid in every field that is checked, with nothing to run."""

import hashlib
import struct
from collections.abc import Sequence
from functools import reduce
from operator import xor

from host_tools.boards import Board
from host_tools.esp_format import APP, CHIPS, DATA, TABLE_OFFSET, TABLE_SIZE, Partition

APP_OFFSET = 0x10000
CHIP_IDS = {name: number for number, name in CHIPS.items()}


def app_image(chip: str, segments: Sequence[bytes], *, digest: bool = True) -> bytes:
    """An application image as the ROM wants it; the lengths of segments are multiples of four."""
    header = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x20, 0x400805CC)
    header += struct.pack("<B3xHB2H4xB", 0xEE, CHIP_IDS[chip], 0, 0, 0xFFFF, digest)
    body = b"".join(struct.pack("<II", 0x3FFF0030, len(data)) + data for data in segments)
    image = header + body
    checksum = reduce(xor, b"".join(segments), 0xEF)
    image += bytes(15 - len(image) % 16) + bytes([checksum])
    return image + hashlib.sha256(image).digest() if digest else image


def partition_table(rows: Sequence[Partition]) -> bytes:
    table = b"".join(
        struct.pack(
            "<2sBBII16sI",
            b"\xaa\x50",
            row.type,
            row.subtype,
            row.offset,
            row.size,
            row.label.encode(),
            0,
        )
        for row in rows
    )
    table += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(table).digest()
    return table.ljust(TABLE_SIZE, b"\xff")


def layout(board: Board, *, vfs_offset: int = 0x200000) -> list[Partition]:
    """The table of MicroPython's own builds, with the file system up to the end of the flash."""
    assert board.flash is not None
    return [
        Partition("nvs", DATA, 2, 0x9000, 0x6000),
        Partition("phy_init", DATA, 1, 0xF000, 0x1000),
        Partition("factory", APP, 0, APP_OFFSET, 0x1F0000),
        Partition("vfs", DATA, 0x81, vfs_offset, board.flash.bytes - vfs_offset),
    ]


def micropython(
    board: Board,
    *,
    chip: str = "",
    rows: Sequence[Partition] | None = None,
    app: int = 100_000,
) -> bytes:
    """A whole MicroPython image for the board: bootloader, table, a program of `app` bytes."""
    assert board.micropython is not None
    offset = board.micropython.offset
    boot = app_image(chip or board.chip, [b"boot" * 1000, b"loader.." * 500])
    image = boot.ljust(TABLE_OFFSET - offset, b"\xff")
    image += partition_table(layout(board) if rows is None else rows)
    image = image.ljust(APP_OFFSET - offset, b"\xff")
    return image + app_image(chip or board.chip, [b"\x5a\xa5\x01\x02" * (app // 4), b"text"])
