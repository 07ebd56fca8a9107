"""IPv4, UDP and TCP packets built from what a user-space program knows about its own traffic."""

import ipaddress
import struct

Address = tuple[str, int]  # dotted IPv4 address, port

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
MAX_UDP_PAYLOAD = 65535 - 20 - 8
_UDP, _TCP = 17, 6
_TTL = 64
_DONT_FRAGMENT = 0x4000


def packed(host: str) -> bytes:
    """4 bytes of a dotted IPv4 address; ValueError for anything else."""
    try:
        return ipaddress.IPv4Address(host).packed
    except ipaddress.AddressValueError as error:
        raise ValueError(f"not an IPv4 address: {host!r}") from error


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071) of data."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ipv4(source: bytes, target: bytes, protocol: int, identification: int, body: bytes) -> bytes:
    header = bytearray(
        struct.pack(
            "!BBHHHBBH4s4s",
            0x45,
            0,
            20 + len(body),
            identification & 0xFFFF,
            _DONT_FRAGMENT,
            _TTL,
            protocol,
            0,
            source,
            target,
        )
    )
    struct.pack_into("!H", header, 10, checksum(bytes(header)))
    return bytes(header) + body


def _sealed(source: bytes, target: bytes, protocol: int, body: bytearray, at: int) -> bytes:
    """Body with its checksum over the pseudo header written at offset `at`."""
    pseudo = struct.pack("!4s4sBBH", source, target, 0, protocol, len(body))
    value = checksum(pseudo + bytes(body))
    if protocol == _UDP and value == 0:
        value = 0xFFFF  # 0 would say "no checksum"
    struct.pack_into("!H", body, at, value)
    return bytes(body)


def udp(source: Address, target: Address, payload: bytes, identification: int) -> bytes:
    """One IPv4/UDP packet. ValueError: payload too long or not IPv4."""
    if len(payload) > MAX_UDP_PAYLOAD:
        raise ValueError(f"{len(payload)} bytes do not fit in one UDP datagram")
    ends = packed(source[0]), packed(target[0])
    body = bytearray(struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload)
    return _ipv4(*ends, _UDP, identification, _sealed(*ends, _UDP, body, 6))


def tcp(
    source: Address,
    target: Address,
    seq: int,
    ack: int,
    flags: int,
    payload: bytes,
    identification: int,
    options: bytes = b"",
    window: int = 65535,
) -> bytes:
    """One IPv4/TCP packet; `options` is padded to 32 bits."""
    ends = packed(source[0]), packed(target[0])
    options += b"\0" * (-len(options) % 4)
    head = struct.pack(
        "!HHIIBBHHH",
        source[1],
        target[1],
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        (20 + len(options)) // 4 << 4,
        flags,
        window,
        0,
        0,
    )
    body = bytearray(head + options + payload)
    return _ipv4(*ends, _TCP, identification, _sealed(*ends, _TCP, body, 16))
