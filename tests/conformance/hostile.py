"""A stranger at the primary port: no datagram of theirs is genuine, all of them are read."""

import asyncio
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from host_tools.lab import stun_codec as codec
from host_tools.lab import udp_request
from host_tools.lab.cpe import Credentials
from host_tools.lab.stun_codec import AttributeType, MessageType
from tests.conformance.rig import Rig
from tests.host.mutations import Xorshift, mutate

LENGTHS = (0, 1, 2, 15, 16, 17, 19, 20, 21, 24, 1471, 1472, 1473, 1474, 1500, 4096, 9000)
_BATCH_BYTES = 48 * 1024  # well below the receive buffer of a socket, bookkeeping included
_BATCH = 24


def unread(port: int) -> tuple[int, int]:
    """Bytes that wait in the board's primary port, and how many datagrams were lost there."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{port:04X}"):
            return int(words[4].partition(":")[2], 16), int(words[-1])
    raise LookupError(f"nobody listens at UDP port {port}")


class Stranger:
    """Sends to the CPE of a rig and waits each time until it has read everything."""

    def __init__(self, rig: Rig) -> None:
        self.address, self.port = rig.address, rig.port
        self.sent = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._batch = self._bytes = 0

    async def send(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, (self.address, self.port))
        self.sent += 1
        self._batch += 1
        self._bytes += len(datagram)
        if self._batch == _BATCH or self._bytes > _BATCH_BYTES:
            await self.read()

    async def read(self) -> None:
        """Wait until the CPE has read all that was sent; none may have been lost."""
        async with asyncio.timeout(10):
            while True:
                waiting, lost = unread(self.port)
                assert not lost
                if not waiting:
                    break
                await asyncio.sleep(0.0005)
        self._batch = self._bytes = 0

    def close(self) -> None:
        self._socket.close()


def prefixes(good: bytes) -> Iterator[bytes]:
    """The datagram with each value cut down to its first bytes, one length after the other."""
    for match in re.finditer(rb"(?:ts|id|un|cn|sig)=([^& ]*)", good):
        start, end = match.span(1)
        for cut in range(start, end):
            yield good[:cut] + good[end:]
            yield good[:cut]


def requests(rng: Xorshift, who: Credentials, port: int) -> Iterator[bytes]:
    """Damaged Connection Requests without end; each was genuine and none is."""
    ts, number, _ = udp_request.fresh("freeacs")
    corpus = [
        udp_request.build(
            who.username, who.password, "192.0.2.1", port, ts + at, number, "12af", style
        )
        for at, style in enumerate(udp_request.STYLES)
    ]
    plain: Iterable[bytes] = [
        *(bytes([first]) * length for length in LENGTHS for first in (71, 97, 0, 1, 2, 47, 255)),
        *prefixes(corpus[0]),
        *prefixes(corpus[1]),
    ]
    yield from (one for one in plain if not udp_request.verify(one, who.username, who.password))
    while True:
        one = mutate(rng, rng.pick(corpus), corpus)
        if not udp_request.verify(one, who.username, who.password):
            yield one


def stun_corpus(tid: bytes) -> list[bytes]:
    mapped = codec.encode_address(("203.0.113.66", 6666))
    masked = codec.encode_xor_address(("203.0.113.66", 6666), codec.COOKIE + tid[4:])
    good, bad = MessageType.BINDING_RESPONSE, MessageType.BINDING_ERROR_RESPONSE
    return [
        codec.build(good, tid, [(1, mapped), (4, mapped), (5, mapped)]),
        codec.build(good, tid, [(0x8022, b"lab"), (0x20, masked), (0x8020, masked)]),
        codec.build(good, tid, [(1, mapped)], key=b"anything"),
        codec.build(bad, tid, [(9, codec.error_value(401)), (0x14, b"realm"), (0x15, b"nonce")]),
        codec.build(bad, tid, [(9, codec.error_value(420)), (10, b"\xc0\x01\xc0\x02")]),
        codec.build(MessageType.BINDING_REQUEST, tid, [(6, b"cpe "), (0xC001, b"x" * 20)]),
    ]


def may_be_an_answer(data: bytes, tid: bytes) -> bool:
    """Whether nobody could tell it from what the server answers: the id is all that it proves."""
    try:
        message = codec.parse(data)
        if message.message_type == MessageType.BINDING_RESPONSE:
            told = (message.mapped_address, message.xor_mapped_address)
        elif message.message_type == MessageType.BINDING_ERROR_RESPONSE:
            told = (message.error_code, True)
        else:
            return False
    except codec.StunError:
        return False
    numbers = message.numbers
    if AttributeType.MESSAGE_INTEGRITY in numbers:  # what stands behind it counts for nothing
        numbers = numbers[: numbers.index(AttributeType.MESSAGE_INTEGRITY)]
    unknown = {number for number in numbers if number < 0x8000} - set(AttributeType)
    return message.transaction_id == tid and any(told) and not unknown


def stun_answers(rng: Xorshift, tid: bytes) -> Iterator[bytes]:
    """Damaged answers to the request with this id, without end; most of them carry the id."""
    corpus = stun_corpus(tid)
    while True:
        one = mutate(rng, rng.pick(corpus), corpus, b"\x00\x08")
        if rng.below(2) and len(one) >= 20:  # lengths that fit lead further in
            one = one[:2] + (len(one) - 20 & 0xFFFF).to_bytes(2, "big") + one[4:]
        if may_be_an_answer(one, tid):
            one = one[:4] + bytes([one[4] ^ 1]) + one[5:]
        yield one


def counted(status: list[str]) -> int:
    """How many datagrams the CPE says it has read, answers to its own requests left out."""
    total = 0
    for line in status:
        numbers = dict(re.findall(r"([\w-]+)=(\d+)", line))
        if line.startswith("requests  "):
            total += sum(map(int, numbers.values()))
        elif line.startswith("stun      ") and "dropped" in numbers:
            total += int(numbers["dropped"])
    return total
