"""Capture files: pcap and pcapng containers to numbered frames with nanosecond times."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from host_tools.errors import UserError

_MAX_PACKET = 0x400000  # larger "packets" mean a damaged length field
_PCAP_MAGIC = {
    # magic: (nanoseconds per unit of the fraction, bytes per record header)
    0xA1B2C3D4: (1000, 16),
    0xA1B23C4D: (1, 16),
    0xA1B2CD34: (1000, 24),
}
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_OPT_COMMENT, _OPT_NAME, _OPT_TSRESOL, _OPT_TSOFFSET = 1, 2, 9, 14


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured packet; `number` counts from 1 as Wireshark's frame.number does."""

    number: int
    time_ns: int
    linktype: int
    data: bytes
    length: int  # on the wire; larger than len(data) if the capture cut the packet
    interface: str | None = None
    comment: str | None = None


@dataclass(slots=True)
class _Interface:
    linktype: int
    snaplen: int
    name: str | None = None
    units_per_second: int = 1_000_000
    offset_seconds: int = 0

    def nanoseconds(self, units: int) -> int:
        return units * 1_000_000_000 // self.units_per_second + self.offset_seconds * 10**9


class CaptureFile:
    """Iterates over the frames of a pcap or pcapng file; `notes` fills with what was odd.

    UserError: the file cannot be read, is empty, or is no capture.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        try:
            with open(self.path, "rb") as file:
                yield from self._frames(file)
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _frames(self, file: BinaryIO) -> Iterator[Frame]:
        magic = file.read(4)
        if not magic:
            raise UserError(f"{self.path} is empty: no capture in it")
        if magic[:2] == b"\x1f\x8b":
            raise UserError(f"{self.path} is compressed: run gunzip on it first")
        if magic == b"\x0a\x0d\x0d\x0a":
            yield from self._pcapng(file)
            return
        for order in "<>":
            kind = _PCAP_MAGIC.get(struct.unpack(order + "I", magic.ljust(4, b"\0"))[0])
            if kind:
                yield from self._pcap(file, order, *kind)
                return
        raise UserError(f"{self.path} is not a capture file (neither pcap nor pcapng)")

    def _pcap(self, file: BinaryIO, order: str, unit_ns: int, head_size: int) -> Iterator[Frame]:
        rest = file.read(20)
        if len(rest) < 20:
            raise UserError(f"{self.path} is cut off inside its header: no packets in it")
        linktype = struct.unpack_from(order + "I", rest, 16)[0] & 0xFFFF
        number = 0
        while head := file.read(head_size):
            if len(head) < head_size:
                self._cut(number)
                return
            seconds, fraction, size, length = struct.unpack_from(order + "IIII", head)
            if size > _MAX_PACKET:
                self._damaged(number)
                return
            data = file.read(size)
            number += 1
            if len(data) < size:
                self._cut(number - 1)
                return
            time_ns = seconds * 10**9 + fraction * unit_ns
            yield Frame(number, time_ns, linktype, data, max(length, size))

    def _pcapng(self, file: BinaryIO) -> Iterator[Frame]:
        file.seek(0)
        number = 0
        order = "<"
        interfaces: list[_Interface] = []
        while head := file.read(8):
            if len(head) == 8 and head[:4] == b"\x0a\x0d\x0d\x0a":
                magic = file.read(4)
                file.seek(-len(magic), 1)
                order = "<" if magic == b"\x4d\x3c\x2b\x1a" else ">"
                if magic not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                    self._no_packets_or_damaged(number)
                    return
                interfaces = []
            if len(head) < 8:
                self._cut_or_nothing(number, interfaces)
                return
            kind, size = struct.unpack(order + "II", head)
            if size < 12 or size > _MAX_PACKET:
                self._no_packets_or_damaged(number)
                return
            size = size + 3 & ~3
            body = file.read(size - 8)
            if len(body) < size - 8:
                self._cut_or_nothing(number, interfaces)
                return
            body = body[:-4]
            try:
                if kind == _INTERFACE:
                    interfaces.append(_interface(order, body))
                elif kind in (_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                    number += 1
                    yield _frame(order, kind, body, interfaces, number)
            except (struct.error, IndexError):
                self._damaged(number)
                return

    def _cut(self, number: int) -> None:
        self.notes.append(f"the file ends in the middle of a packet, after frame {number}")

    def _cut_or_nothing(self, number: int, interfaces: list[_Interface]) -> None:
        if number == 0 and not interfaces:
            raise UserError(f"{self.path} is cut off inside its header: no packets in it")
        self._cut(number)

    def _damaged(self, number: int) -> None:
        self.notes.append(f"the file is damaged after frame {number}: the rest is not read")

    def _no_packets_or_damaged(self, number: int) -> None:
        if number == 0:
            raise UserError(f"{self.path} is damaged: its pcapng header makes no sense")
        self._damaged(number)


def _options(order: str, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == 0:
            return
        yield code, body[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)


def _interface(order: str, body: bytes) -> _Interface:
    linktype, _, snaplen = struct.unpack_from(order + "HHI", body)
    interface = _Interface(linktype, snaplen)
    for code, value in _options(order, body, 8):
        if code == _OPT_NAME:
            interface.name = value.decode("utf-8", "replace").rstrip("\0")
        elif code == _OPT_TSRESOL and value:
            base, power = (2, value[0] & 0x7F) if value[0] & 0x80 else (10, value[0])
            interface.units_per_second = base**power
        elif code == _OPT_TSOFFSET and len(value) == 8:
            interface.offset_seconds = struct.unpack(order + "q", value)[0]
    return interface


def _frame(order: str, kind: int, body: bytes, interfaces: list[_Interface], number: int) -> Frame:
    """Raises struct.error or IndexError for a damaged block."""
    if kind == _SIMPLE_PACKET:  # has no time and belongs to the first interface
        length = struct.unpack_from(order + "I", body)[0]
        interface = interfaces[0]
        size = min(length, interface.snaplen or length, len(body) - 4)
        data = body[4 : 4 + size]
        return Frame(number, 0, interface.linktype, data, length, interface.name)
    if kind == _OLD_PACKET:
        which, _, high, low, size, length = struct.unpack_from(order + "HHIIII", body)
    else:
        which, high, low, size, length = struct.unpack_from(order + "IIIII", body)
    interface = interfaces[which]
    data = body[20 : 20 + size]
    if len(data) < size:
        raise struct.error("packet data cut off")
    comment = None
    for code, value in _options(order, body, 20 + (size + 3 & ~3)):
        if code == _OPT_COMMENT:
            comment = value.decode("utf-8", "replace")
    return Frame(
        number,
        interface.nanoseconds(high << 32 | low),
        interface.linktype,
        data,
        max(length, size),
        interface.name,
        comment,
    )
