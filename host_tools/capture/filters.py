"""Wireshark display filters that select exactly the packets meant, whatever port they use."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from host_tools.capture.packets import Address
from host_tools.capture.read import Datagram, Segment
from host_tools.capture.streams import Direction

_SIG = re.compile(rb"sig=[0-9A-Za-z]{16,128}")
_UDP = "ip && !icmp && "
_MOST_NUMBERS = 200


class Filters:
    """Knows all packets of a capture, so that a filter that is too wide gets narrowed."""

    def __init__(self, datagrams: list[Datagram], segments: list[Segment]) -> None:
        self._by_transaction: dict[bytes, set[int]] = defaultdict(set)
        self._by_sig: dict[bytes, set[int]] = defaultdict(set)
        self._by_ends: dict[tuple[Address, Address], list[Segment]] = defaultdict(list)
        for datagram in datagrams:
            if len(datagram.payload) >= 20:
                self._by_transaction[datagram.payload[4:20]].update(datagram.frames)
            for match in _SIG.finditer(datagram.payload):
                self._by_sig[match.group(0)].update(datagram.frames)
        self._sigs = sorted(self._by_sig)
        for segment in segments:
            self._by_ends[segment.src, segment.dst].append(segment)

    def transaction(self, identifier: bytes, frames: list[int]) -> str:
        """All messages of a STUN transaction."""
        text = f"{_UDP}udp.payload[4:16] == {_hex(identifier)}"
        return _narrowed(text, self._by_transaction[identifier], frames)

    def datagram(self, payload: bytes, frames: list[int]) -> str:
        """All copies of a datagram, on both sides of a NAT."""
        match = _SIG.search(payload)
        if match:
            sig = match.group(0)
            longer = self._next_sig(sig)
            clear = not longer.startswith(sig)
            text = f'{_UDP}udp.payload contains "{sig.decode("ascii")}"'
            return _narrowed(text, self._by_sig[sig] if clear else None, frames)
        start = payload[:24]
        if not start:
            return _narrowed("udp.length == 8", None, frames)
        text = f"{_UDP}udp.payload[0:{len(start)}] == {_hex(start)}"
        return _narrowed(text, None, frames)

    def _next_sig(self, sig: bytes) -> bytes:
        at = bisect_right(self._sigs, sig)
        return self._sigs[at] if at < len(self._sigs) else b""

    def message(self, way: Direction, start: int, stop: int, frames: list[int]) -> str:
        """The segments of one HTTP message, at stream offsets [start, stop)."""
        src, dst, base = way.src, way.dst, way.base or 0
        first, end = (base + start) % (1 << 32), (base + stop) % (1 << 32)
        if end <= first:
            return _numbers(frames)
        selected = {
            segment.frame
            for segment in self._by_ends[src, dst]
            if segment.length and first <= segment.seq < end
        }
        text = (
            f"{_one_way(src, dst)} && tcp.len > 0 && tcp.seq_raw >= {first} && tcp.seq_raw < {end}"
        )
        return _narrowed(text, selected, frames)

    def connection(self, client: Address, server: Address, frames: list[int]) -> str:
        """All packets of a TCP connection."""
        ends = (client, server), (server, client)
        selected = {segment.frame for pair in ends for segment in self._by_ends[pair]}
        text = f"({_one_way(client, server)}) || ({_one_way(server, client)})"
        if selected == set(frames):
            return text
        return f"({text}) && frame.number >= {min(frames)} && frame.number <= {max(frames)}"


def _one_way(src: Address, dst: Address) -> str:
    return (
        f"ip.src == {src[0]} && tcp.srcport == {src[1]} && "
        f"ip.dst == {dst[0]} && tcp.dstport == {dst[1]}"
    )


def _hex(data: bytes) -> str:
    return data.hex(":")


def _narrowed(text: str, selected: Iterable[int] | None, frames: list[int]) -> str:
    """Add frame numbers unless the filter already selects just the frames meant."""
    chosen = set(frames) if selected is None else set(selected)
    if not set(frames) <= chosen:
        return _numbers(frames)
    if selected is not None and chosen == set(frames):
        return text
    return f"{text} && {_numbers(frames)}" if len(frames) <= _MOST_NUMBERS else text


def _numbers(frames: list[int]) -> str:
    return f"frame.number in {{{', '.join(str(number) for number in sorted(set(frames)))}}}"
