"""Link layers: from a captured frame to the IPv4 packet inside."""

import struct

from host_tools.capture.container import Frame

_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)  # VLAN, service VLAN, old double tag
_PPPOE_SESSION = 0x8864
_PPP_IPV4, _PPP_IPV6 = 0x0021, 0x0057
_NULL_IPV4 = 2
_NULL_IPV6 = (10, 24, 28, 30)  # each system has its own number

NAMES = {
    0: "loopback (null)",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP",
    101: "raw IP",
    108: "OpenBSD loopback",
    113: "Linux cooked v1",
    228: "raw IPv4",
    276: "Linux cooked v2",
}


class Unreadable(Exception):
    """This frame has no IPv4 packet; the text says what it has instead."""


def ipv4(frame: Frame) -> tuple[bytes, str | None]:
    """The IPv4 packet of a frame and the interface it was seen on, if the link layer says.

    Unreadable: anything else, with a short text fit for a count ("ARP", "IPv6", ...).
    """
    data, linktype = frame.data, frame.linktype
    interface = frame.interface
    try:
        if linktype == 1:
            return _ethertype(struct.unpack_from("!H", data, 12)[0], data, 14), interface
        if linktype in (12, 14, 101, 228):
            return _by_version(data), interface
        if linktype == 113:
            return _ethertype(struct.unpack_from("!H", data, 14)[0], data, 16), interface
        if linktype == 276:
            protocol, _, index = struct.unpack_from("!HHI", data)
            return _ethertype(protocol, data, 20), f"{interface or 'any'}#{index}"
        if linktype in (0, 108):
            return _null(data), interface
        if linktype in (9, 50):
            start = 2 if data[:2] == b"\xff\x03" else 0
            return _ppp(data, start), interface
    except (struct.error, IndexError) as error:
        raise Unreadable("cut off in the link layer") from error
    raise Unreadable(f"link type {linktype}")


def _by_version(data: bytes) -> bytes:
    if data[0] >> 4 == 4:
        return data
    raise Unreadable("IPv6" if data[0] >> 4 == 6 else "not IP")


def _ethertype(kind: int, data: bytes, at: int) -> bytes:
    while kind in _TAGS:
        kind = struct.unpack_from("!H", data, at + 2)[0]
        at += 4
    if kind == _IPV4:
        return data[at:]
    if kind == _PPPOE_SESSION:
        return _ppp(data, at + 6)
    raise Unreadable("IPv6" if kind == _IPV6 else "ARP" if kind == 0x0806 else "not IP")


def _ppp(data: bytes, at: int) -> bytes:
    if data[at] & 1:  # protocol field compressed to one byte
        protocol, at = data[at], at + 1
    else:
        protocol, at = struct.unpack_from("!H", data, at)[0], at + 2
    if protocol == _PPP_IPV4:
        return data[at:]
    raise Unreadable("IPv6" if protocol == _PPP_IPV6 else "not IP")


def _null(data: bytes) -> bytes:
    families = struct.unpack_from("<I", data)[0], struct.unpack_from(">I", data)[0]
    if _NULL_IPV4 in families:  # byte order is that of the capturing machine
        return data[4:]
    raise Unreadable("IPv6" if set(families) & set(_NULL_IPV6) else "not IP")
