"""PPP in HDLC-like framing on an asynchronous line (RFC 1662): flags, escapes, the 16-bit FCS."""

FLAG, ESCAPE = 0x7E, 0x7D
ALL_CONTROLS = 0xFFFFFFFF  # the ACCM before anything has been negotiated: escape 0x00 to 0x1f
LONGEST = 4096  # bytes of an unescaped frame; what is longer is noise
_HEADER = b"\xff\x03"  # all stations, unnumbered information
_GOOD_FCS = 0xF0B8


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x8408 if value & 1 else 0)
        table.append(value)
    return table


_FCS = _table()


def fcs16(data: bytes) -> int:
    """The frame check sequence before its complement is taken."""
    fcs = 0xFFFF
    for byte in data:
        fcs = (fcs >> 8) ^ _FCS[(fcs ^ byte) & 0xFF]
    return fcs


def encode(protocol: int, information: bytes, accm: int = ALL_CONTROLS) -> bytes:
    """One frame for the line, flags included; bit n of `accm`: escape the control character n."""
    body = _HEADER + protocol.to_bytes(2, "big") + information
    body += (fcs16(body) ^ 0xFFFF).to_bytes(2, "little")
    out = bytearray((FLAG,))
    for byte in body:
        if byte in (FLAG, ESCAPE) or (byte < 0x20 and accm >> byte & 1):
            out += bytes((ESCAPE, byte ^ 0x20))
        else:
            out.append(byte)
    out.append(FLAG)
    return bytes(out)


class Decoder:
    """Takes the line's bytes as they come, gives the frames in them; what is damaged is counted
    in `bad` and dropped.
    """

    def __init__(self) -> None:
        self.bad = 0
        self._frame = bytearray()
        self._escaped = False
        self._overlong = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return (protocol, information) of each frame that ends in `data`."""
        found = []
        for byte in data:
            if byte == FLAG:
                frame = self._end()
                if frame is not None:
                    found.append(frame)
            elif byte == ESCAPE:
                self._escaped = True
            elif len(self._frame) >= LONGEST:
                self._overlong = True
            else:
                self._frame.append(byte ^ 0x20 if self._escaped else byte)
                self._escaped = False
        return found

    def _end(self) -> tuple[int, bytes] | None:
        frame, aborted = bytes(self._frame), self._escaped or self._overlong
        self._frame.clear()
        self._escaped = self._overlong = False
        if not frame and not aborted:
            return None  # two flags in a row
        if aborted or len(frame) < 6 or fcs16(frame) != _GOOD_FCS or frame[:2] != _HEADER:
            self.bad += 1
            return None
        return int.from_bytes(frame[2:4], "big"), frame[4:-2]
