"""Espressif's formats on flash: application images (bootloader, MicroPython) and the partition
table. What is wrong with them is a `ValueError` with a fixed text.
"""

import hashlib
import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor

TABLE_OFFSET = 0x8000  # on the flash; nobody moves it
TABLE_SIZE = 0xC00
CHIPS = {0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 13: "esp32c6", 16: "esp32h2"}
APP, DATA = 0, 1  # types of partitions

_HEADER = struct.Struct("<BBBBIB3xHB2H4xB")  # magic, segments, ..., chip at 12, digest at 23
_SEGMENT = struct.Struct("<II")
_IMAGE_MAGIC = 0xE9
_CHECKSUM_SEED = 0xEF
_MOST_SEGMENTS = 16
_ENTRY = struct.Struct("<2sBBII16sI")
_ENTRY_MAGIC = b"\xaa\x50"
_DIGEST_MAGIC = b"\xeb\xeb" + b"\xff" * 14


@dataclass(frozen=True)
class Partition:
    """One row of the table. `offset` and `size` in bytes, from the start of the flash."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class AppImage:
    """`chip`: the name, or "chip 7" for one not known here; `size`: bytes with the digest."""

    chip: str
    size: int


def app_image(content: bytes) -> AppImage:
    """Walk the image that `content` begins with, and check its checksum and its SHA-256."""
    if not content or content[0] != _IMAGE_MAGIC:
        raise ValueError("not an ESP image (it does not begin with 0xE9)")
    if len(content) < _HEADER.size:
        raise ValueError("truncated in its header")
    fields = _HEADER.unpack_from(content)
    segments, chip, has_digest = fields[1], fields[6], fields[10]
    if not 0 < segments <= _MOST_SEGMENTS or has_digest not in (0, 1):
        raise ValueError("corrupt: bad header")
    at, checksum = _HEADER.size, _CHECKSUM_SEED
    for _ in range(segments):
        if at + _SEGMENT.size > len(content):
            raise ValueError("truncated: a segment is missing")
        _, length = _SEGMENT.unpack_from(content, at)
        at += _SEGMENT.size
        if at + length > len(content):
            raise ValueError("truncated: a segment is not complete")
        checksum ^= _xor(content[at : at + length])
        at += length
    at = at // 16 * 16 + 16  # padded so that the checksum is the last byte of sixteen
    if at + 32 * has_digest > len(content):
        raise ValueError("truncated: the checksum or the digest is missing")
    if content[at - 1] != checksum:
        raise ValueError("corrupt: bad checksum")
    if has_digest:
        if hashlib.sha256(content[:at]).digest() != content[at : at + 32]:
            raise ValueError("corrupt: bad SHA-256")
        at += 32
    return AppImage(CHIPS.get(chip, f"chip {chip}"), at)


def partitions(table: bytes) -> list[Partition]:
    """Read a partition table, whose MD5 has to be right."""
    found: list[Partition] = []
    for at in range(0, min(len(table), TABLE_SIZE) - _ENTRY.size + 1, _ENTRY.size):
        entry = table[at : at + _ENTRY.size]
        if entry.startswith(_DIGEST_MAGIC):
            if hashlib.md5(table[:at]).digest() != entry[16:]:
                raise ValueError("corrupt partition table: bad MD5")
            return found
        magic, kind, subtype, offset, size, label, _ = _ENTRY.unpack(entry)
        if magic != _ENTRY_MAGIC:
            break
        name = label.rstrip(b"\0").decode("ascii", "replace")
        found.append(Partition(name, kind, subtype, offset, size))
    if not found:
        raise ValueError("no partition table")
    raise ValueError("corrupt partition table: no MD5")


def _xor(data: bytes) -> int:
    # Folded by halves as whole numbers: byte by byte, 1.5 MB take a noticeable while.
    while len(data) > 64:
        half = (len(data) + 1) // 2
        low, high = data[:half], data[half:]
        data = (int.from_bytes(low, "little") ^ int.from_bytes(high, "little")).to_bytes(
            half, "little"
        )
    return reduce(xor, data, 0)
