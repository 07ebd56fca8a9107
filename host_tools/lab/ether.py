"""The far end of a board's Ethernet or Wi-Fi: frames in, IPv4 packets out, and the reverse.

    peer = EtherPeer("10.0.2.2", "10.0.2.15")
    packet = peer.receive(frame)
    peer.send(packet)
    for frame in peer.take(): ...

It has one neighbour, gives it its address by DHCP (RFC 2131) and says to every question of ARP
that it is the one: whatever the board sends comes here, and only here. No I/O and no clock.
"""

import socket
import struct

OURS = bytes.fromhex("020000000001")  # locally administered (IEEE 802)
_EVERYBODY = b"\xff" * 6
IPV4, ARP = 0x0800, 0x0806
_ASK, _ANSWER = 1, 2
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4 = (1, IPV4, 6, 4)
_UDP = 17
_SERVER, _CLIENT = 67, 68
_FIXED = struct.Struct("!4B4s2xH4s4s4x4s16s192x4s")  # 240 bytes, the cookie included
_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACK, _NAK = 1, 2, 3, 5, 6
_MASK, _ROUTER, _DNS, _WANTED, _LEASE, _KIND, _ISSUER, _END = 1, 3, 6, 50, 51, 53, 54, 255
LEASE = 86400  # s
MTU = 1500


class EtherPeer:
    """`ours`, `theirs`: IPv4 addresses; `dns`: the name server the board is told of. `up`: the
    board has taken its address.
    """

    def __init__(self, ours: str, theirs: str, *, dns: str | None = None) -> None:
        self._ours = socket.inet_aton(ours)
        self._theirs = socket.inet_aton(theirs)
        self._dns = socket.inet_aton(dns) if dns else b""
        self._board = _EVERYBODY  # until it says who it is
        self._out: list[bytes] = []
        self.up = False

    @property
    def state(self) -> str:
        """For people."""
        return "up" if self.up else "no lease"

    def receive(self, frame: bytes) -> bytes | None:
        """Take one frame in; return the IPv4 packet in it that is not for us."""
        if len(frame) < 14:
            return None
        (kind,) = struct.unpack_from("!H", frame, 12)
        body = frame[14:]
        if kind == ARP:
            self._asked(body)
        elif kind == IPV4 and len(body) >= 20:
            # Short frames are padded.
            packet = body[: int.from_bytes(body[2:4], "big")]
            if _port(packet) == _SERVER:
                self._board = frame[6:12]
                self._dhcp(packet[(packet[0] & 15) * 4 + 8 :])
            elif packet[12:16] == self._theirs:
                self._board = frame[6:12]
                return packet
        return None

    def send(self, packet: bytes) -> bool:
        """Send the board an IPv4 packet; False: it has no address yet, or that is too long."""
        if not self.up or len(packet) > MTU:
            return False
        self._frame(IPV4, packet)
        return True

    def take(self) -> list[bytes]:
        """The frames that are due, each given once."""
        out, self._out = self._out, []
        return out

    def _frame(self, kind: int, body: bytes) -> None:
        self._out.append(self._board + OURS + struct.pack("!H", kind) + body)

    def _asked(self, body: bytes) -> None:
        if len(body) < _ARP.size:
            return
        *what, operation, mac, address, _, wanted = _ARP.unpack_from(body)
        # A board asks whether its own address is free, and for itself to be known.
        if tuple(what) == _ETHERNET_IPV4 and operation == _ASK and wanted != self._theirs:
            self._board = mac
            answer = (*_ETHERNET_IPV4, _ANSWER, OURS, wanted, mac, address)
            self._frame(ARP, _ARP.pack(*answer))

    def _dhcp(self, message: bytes) -> None:
        options = _options(message)
        if len(message) < _FIXED.size or message[0] != _ASK or options is None:
            return
        asked = options.get(_KIND, b"\0")[0]
        if asked not in (_DISCOVER, _REQUEST):
            return
        # One that renews its lease names its address in ciaddr.
        wanted = options.get(_WANTED, message[12:16])
        kind = _OFFER if asked == _DISCOVER else _ACK if wanted == self._theirs else _NAK
        self.up = kind == _ACK
        told = {_KIND: bytes([kind]), _ISSUER: self._ours}
        if kind != _NAK:
            told |= {_LEASE: struct.pack("!I", LEASE), _MASK: b"\xff\xff\0\0"}
            told |= {_ROUTER: self._ours, _DNS: self._dns}
        answer = _FIXED.pack(
            *(_ANSWER, 1, 6, 0, message[4:8], *struct.unpack_from("!H", message, 10)),
            *(b"", b"" if kind == _NAK else self._theirs, b"", message[28:44], _COOKIE),
        )
        for option, value in told.items():
            answer += bytes([option, len(value)]) + value if value else b""
        self._frame(IPV4, _datagram(self._ours, answer + bytes([_END])))


def _port(packet: bytes) -> int | None:
    # Where an unfragmented UDP datagram goes to.
    start = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != _UDP or len(packet) < start + 8:
        return None
    return int.from_bytes(packet[start + 2 : start + 4], "big")


def _options(message: bytes) -> dict[int, bytes] | None:
    # None: not DHCP, or damaged.
    if message[236:240] != _COOKIE:
        return None
    found: dict[int, bytes] = {}
    at = 240
    while at < len(message) and message[at] != _END:
        if message[at] == 0:
            at += 1
            continue
        if at + 1 >= len(message):
            return None
        value = message[at + 2 : at + 2 + message[at + 1]]
        if not value or len(value) < message[at + 1]:
            return None
        found[message[at]] = value
        at += 2 + len(value)
    return found


def _datagram(source: bytes, message: bytes) -> bytes:
    # IPv4 and UDP around an answer of DHCP: to everybody, for the board has no address yet.
    udp = struct.pack("!HHHH", _SERVER, _CLIENT, 8 + len(message), 0) + message
    ends = source + b"\xff" * 4
    head = struct.pack("!BBHHHBB2x8s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, ends)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    check = 0xFFFF ^ ((total & 0xFFFF) + (total >> 16))
    return head[:10] + struct.pack("!H", check) + head[12:] + udp
