"""Recorder: what user-space components sent and received, as a capture that Wireshark reads."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from host_tools.capture import packets
from host_tools.capture.packets import Address
from host_tools.capture.pcapng import PcapngWriter
from host_tools.errors import UserError

INTERFACES = {
    "inside": "the CPE's side of the NAT",
    "outside": "the public side of the NAT",
    "acs": "in front of the ACS",
}
_MSS = 1460
_WINDOW_SHIFT = 7
_SYN_OPTIONS = bytes([2, 4, _MSS >> 8, _MSS & 0xFF, 1, 3, 3, _WINDOW_SHIFT])
_ACK_EVERY = 32  # segments: keeps the bytes in flight far below the window


def wall_clock() -> Callable[[], int]:
    """Nanoseconds since 1970 that never step back while the program runs."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: offset + time.monotonic_ns()


class Recorder:
    """Writes a pcapng file live; every packet is on file when the call returns. Thread-safe.

    Interfaces are known by name: "inside", "outside", "acs"; any other name is added when it
    is first used. `clock` gives nanoseconds since 1970.
    """

    def __init__(self, path: str | Path, clock: Callable[[], int] | None = None) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._clock = clock or wall_clock()
        self._last = 0
        self._identification = 0
        self._initial_seq = 0x1000
        try:
            self._writer = PcapngWriter(self.path)
        except OSError as error:
            raise UserError(f"cannot write the capture {self.path}: {error.strerror}") from error
        self._closed = False
        self._numbers = {
            name: self._writer.add_interface(name, text) for name, text in INTERFACES.items()
        }

    def udp(
        self,
        src: Address,
        dst: Address,
        payload: bytes,
        interface: str = "inside",
        comment: str | None = None,
    ) -> None:
        """Record one UDP datagram. ValueError: not IPv4, or too long for one datagram."""
        with self._lock:
            packet = packets.udp(src, dst, payload, self._next_identification())
            self._write(interface, packet, comment)

    def tcp(self, client: Address, server: Address, interface: str = "acs") -> "TcpRecord":
        """Record the handshake of a new TCP connection; returns what its data goes to."""
        with self._lock:
            # Distinct initial numbers keep two connections of one address pair apart.
            self._initial_seq = self._initial_seq + 0x01000193 & 0x7FFFFFFF
            initial = self._initial_seq
        return TcpRecord(self, client, server, interface, initial)

    def packet(self, data: bytes, time_ns: int, interface: str = "inside") -> None:
        """Record one IPv4 packet that really was on a wire, at its own time since 1970."""
        with self._lock:
            if not self._closed:
                self._writer.packet(self._number(interface), time_ns, data)

    def close(self) -> None:
        """Close the file; later packets are ignored."""
        with self._lock:
            self._closed = True
            self._writer.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next_identification(self) -> int:
        self._identification = self._identification % 0xFFFF + 1
        return self._identification

    def _write(self, interface: str, packet: bytes, comment: str | None) -> None:
        if self._closed:
            return
        # The packets of one call get distinct, rising times, so that sorting keeps their order.
        self._last = max(self._clock(), self._last + 1)
        self._writer.packet(self._number(interface), self._last, packet, comment)

    def _number(self, interface: str) -> int:
        number = self._numbers.get(interface)
        if number is None:
            number = self._numbers[interface] = self._writer.add_interface(interface)
        return number


class TcpRecord:
    """One recorded TCP connection: give it the bytes of both directions, it makes the packets."""

    def __init__(
        self, recorder: Recorder, client: Address, server: Address, interface: str, seq: int
    ) -> None:
        self._recorder = recorder
        self._interface = interface
        self._ends = {True: client, False: server}
        self._seq = {True: seq, False: seq + 0x40000000 & 0xFFFFFFFF}
        self._comment: str | None = None
        self._open = True
        with recorder._lock:
            self._send(True, packets.SYN, options=_SYN_OPTIONS, acknowledge=False)
            self._send(False, packets.SYN | packets.ACK, options=_SYN_OPTIONS)
            self._send(True, packets.ACK)

    def data(self, from_client: bool, payload: bytes, comment: str | None = None) -> None:
        """Record payload as segments of at most the MSS, then the peer's ACK."""
        if not payload or not self._open:
            return
        with self._recorder._lock:
            self._comment = comment
            starts = range(0, len(payload), _MSS)
            for index, start in enumerate(starts):
                part = payload[start : start + _MSS]
                last = start == starts[-1]
                flags = packets.ACK | packets.PSH if last else packets.ACK
                self._send(from_client, flags, part)
                if last or index % _ACK_EVERY == _ACK_EVERY - 1:
                    self._send(not from_client, packets.ACK)

    def close(self, from_client: bool = True) -> None:
        """Record an orderly end, begun by the client or by the server."""
        if not self._open:
            return
        self._open = False
        with self._recorder._lock:
            self._send(from_client, packets.FIN | packets.ACK)
            self._send(not from_client, packets.FIN | packets.ACK)
            self._send(from_client, packets.ACK)

    def reset(self, from_client: bool = False, comment: str | None = None) -> None:
        """Record that one side broke the connection."""
        if not self._open:
            return
        self._open = False
        with self._recorder._lock:
            self._comment = comment
            self._send(from_client, packets.RST | packets.ACK)

    def _send(
        self,
        from_client: bool,
        flags: int,
        payload: bytes = b"",
        options: bytes = b"",
        acknowledge: bool = True,
    ) -> None:
        packet = packets.tcp(
            self._ends[from_client],
            self._ends[not from_client],
            self._seq[from_client],
            self._seq[not from_client] if acknowledge else 0,
            flags,
            payload,
            self._recorder._next_identification(),
            options,
        )
        self._recorder._write(self._interface, packet, self._comment)
        self._comment = None
        opening_or_end = 1 if flags & (packets.SYN | packets.FIN) else 0
        self._seq[from_client] = self._seq[from_client] + len(payload) + opening_or_end
        self._seq[from_client] &= 0xFFFFFFFF
