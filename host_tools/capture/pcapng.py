"""pcapng writer: named interfaces, nanosecond times, comments, one write per block."""

import struct
from pathlib import Path

LINKTYPE_ETHERNET = 1
LINKTYPE_RAW = 101  # the packet starts with the IP header

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_OPT_END, _OPT_COMMENT = 0, 1
_OPT_APPLICATION = 4
_OPT_IF_NAME, _OPT_IF_DESCRIPTION, _OPT_IF_TSRESOL = 2, 3, 9
_MAX_COMMENT = 60000


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _options(*options: bytes) -> bytes:
    given = b"".join(options)
    return given + struct.pack("<HH", _OPT_END, 0) if given else b""


def _text(code: int, text: str | None) -> bytes:
    return _option(code, text.encode()[:_MAX_COMMENT]) if text else b""


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


class PcapngWriter:
    """Writes one section; each block reaches the file with one unbuffered write, so a crash
    leaves a file of whole packets."""

    def __init__(self, path: Path, application: str = "esp-cwmp") -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        self._interfaces = 0
        head = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        self._file.write(_block(_SECTION, head + _options(_text(_OPT_APPLICATION, application))))

    def add_interface(
        self, name: str, description: str | None = None, linktype: int = LINKTYPE_RAW
    ) -> int:
        """Declare an interface (allowed at any time); returns its number."""
        options = _options(
            _text(_OPT_IF_NAME, name),
            _text(_OPT_IF_DESCRIPTION, description),
            _option(_OPT_IF_TSRESOL, bytes([9])),
        )
        self._file.write(_block(_INTERFACE, struct.pack("<HHI", linktype, 0, 0) + options))
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self,
        interface: int,
        time_ns: int,
        data: bytes,
        comment: str | None = None,
        original_length: int | None = None,
    ) -> None:
        """Append one packet; time_ns counts nanoseconds since 1970."""
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} was not declared")
        head = struct.pack(
            "<IIIII",
            interface,
            time_ns >> 32 & 0xFFFFFFFF,
            time_ns & 0xFFFFFFFF,
            len(data),
            len(data) if original_length is None else original_length,
        )
        padding = b"\0" * (-len(data) % 4)
        self._file.write(
            _block(_PACKET, head + data + padding + _options(_text(_OPT_COMMENT, comment)))
        )

    def close(self) -> None:
        self._file.close()
