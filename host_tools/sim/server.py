"""A STUN server for simulated time, with the kinds and the faults that the agent has to live
with.
"""

import struct

from host_tools.sim.nat import Address

HONOURS = "honours"  # RESPONSE-ADDRESS
IGNORES = "ignores"  # answers the sender
SILENT = "silent"  # does not answer a request that has it
REFUSES = "refuses"  # 420

_RESPONSE_ADDRESS = 0x0002


class StunServer:
    """`kind`: what it makes of RESPONSE-ADDRESS. `fault`: "", "silent" or the code of an error."""

    def __init__(self, address: Address, kind: str = HONOURS) -> None:
        self.address = address
        self.kind = kind
        self.fault = ""
        self.heard = 0  # requests

    def answer(self, request: bytes, source: Address) -> "tuple[Address, bytes] | None":
        """Return where the answer goes and its bytes, None: no answer."""
        self.heard += 1
        if self.fault == "silent":
            return None
        if self.fault:
            return source, error(request, int(self.fault))
        to = response_address(request)
        if to is None or self.kind == IGNORES:
            return source, success(request, source)
        if self.kind == SILENT:
            return None
        if self.kind == REFUSES:
            return source, error(request, 420)
        return to, success(request, source)


def response_address(request: bytes) -> "Address | None":
    """Return the RESPONSE-ADDRESS of a request."""
    at = 20
    while at < len(request):
        kind, length = struct.unpack(">HH", request[at : at + 4])
        if kind == _RESPONSE_ADDRESS:
            port, host = struct.unpack(">H4s", request[at + 6 : at + 12])
            return "{}.{}.{}.{}".format(*host), port
        at += 4 + length
    return None


def success(request: bytes, mapped: Address) -> bytes:
    """Return a success response with MAPPED-ADDRESS."""
    value = struct.pack(">BBH", 0, 1, mapped[1]) + bytes([int(n) for n in mapped[0].split(".")])
    return b"\x01\x01\x00\x0c" + request[4:20] + b"\x00\x01\x00\x08" + value


def error(request: bytes, code: int) -> bytes:
    """Return an error response."""
    value = bytes([0, 0, code // 100, code % 100])
    return b"\x01\x11\x00\x08" + request[4:20] + b"\x00\x09\x00\x04" + value
