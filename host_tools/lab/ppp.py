"""The far end of a board's PPP line: bytes of the UART in, IPv4 packets out, and the reverse.

    peer = PppPeer("10.0.2.2", "10.0.2.15")
    for packet in peer.receive(from_uart, now): ...
    peer.send(packet)
    uart.write(peer.take())

No I/O and no clock: `now` is any monotonic number of seconds; `tick(now)` is due at `deadline`. It
waits for the board to begin, and begins anew whenever the board does.
"""

import random
from collections.abc import Callable

from host_tools.lab.ppp_hdlc import ALL_CONTROLS, Decoder, encode
from host_tools.lab.ppp_negotiation import State
from host_tools.lab.ppp_protocols import Ipcp, Lcp

IPV4, IPCP, LCP = 0x0021, 0x8021, 0xC021


class PppPeer:
    """`up`: packets pass. `dns`: the name server the board is told of, None for none."""

    def __init__(
        self,
        ours: str,
        theirs: str,
        *,
        dns: str | None = None,
        magic: Callable[[], int] = lambda: random.getrandbits(32),
    ) -> None:
        self._decoder = Decoder()
        self._out = bytearray()
        self._lcp = Lcp(lambda packet: self._frame(LCP, packet), magic)
        self._ipcp = Ipcp(lambda packet: self._frame(IPCP, packet), ours, theirs, dns)
        self._lcp.on_up = lambda now: self._ipcp.lower_up()
        self._lcp.on_down = self._ipcp.lower_down
        self._lcp.on_protocol_reject = self._rejected
        self._lcp.lower_up()

    @property
    def up(self) -> bool:
        return self._ipcp.state is State.OPENED

    @property
    def state(self) -> str:
        """For people: how far the negotiation has come."""
        if self._lcp.state is not State.OPENED:
            return f"lcp {self._lcp.state.value}"
        return "up" if self.up else f"ipcp {self._ipcp.state.value}"

    @property
    def damaged(self) -> int:
        """Frames dropped because they were no frames."""
        return self._decoder.bad

    @property
    def deadline(self) -> float | None:
        times = [one.deadline for one in (self._lcp, self._ipcp) if one.deadline is not None]
        return min(times, default=None)

    def tick(self, now: float) -> None:
        self._lcp.tick(now)
        self._ipcp.tick(now)

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take in what the line brought; return the IPv4 packets in it."""
        packets = []
        for protocol, information in self._decoder.feed(data):
            if protocol == LCP:
                self._lcp.receive(information, now)
            elif self._lcp.state is not State.OPENED:
                pass  # nothing else may come before the link stands
            elif protocol == IPCP:
                self._ipcp.receive(information, now)
            elif protocol != IPV4:
                self._lcp.reject_protocol(protocol, information)
            elif self.up:
                packets.append(information)
        return packets

    def send(self, packet: bytes) -> bool:
        """Put an IPv4 packet on the line; False: the link is down or the packet too long."""
        if not self.up or len(packet) > self._lcp.mru:
            return False
        self._frame(IPV4, packet)
        return True

    def close(self, now: float) -> None:
        """Ask the board to take the link down."""
        self._lcp.close(now)

    def take(self) -> bytes:
        """The bytes that are due on the line, each given once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def _frame(self, protocol: int, packet: bytes) -> None:
        # LCP speaks so that an end which has just been reset understands it.
        accm = ALL_CONTROLS if protocol == LCP else self._lcp.accm
        self._out += encode(protocol, packet, accm)

    def _rejected(self, protocol: int) -> None:
        if protocol in (IPV4, IPCP):
            self._ipcp.lower_down()
