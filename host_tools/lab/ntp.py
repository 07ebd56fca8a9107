"""A small NTP server (RFC 5905, answers to clients), which can be wrong on purpose."""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Self

EPOCH = 2208988800  # Unix time 0 in NTP's first era
_PACKET = struct.Struct("!BBbb11I")


class NtpServer(asyncio.DatagramProtocol):
    """Answers on `address`, known once started. `clock()` gives its Unix time in seconds.

    `stratum` 0 is a kiss of death, `leap` 3 a clock that is not synchronised. `change` may alter
    an answer, or return b"" for none. `asked` counts the requests.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Callable[[], float] = time.time,
        stratum: int = 2,
        leap: int = 0,
        change: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.address = (host, port)
        self.clock = clock
        self.stratum = stratum
        self.leap = leap
        self.change = change
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=self.address
        )
        self.address = self._transport.get_extra_info("sockname")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if len(data) < _PACKET.size or data[0] & 7 != 3 or self._transport is None:
            return
        self.asked += 1
        seconds = self.clock() + EPOCH
        now = (int(seconds) & 0xFFFFFFFF, int(seconds % 1 * 2**32))
        originate = struct.unpack("!2I", data[40:48])
        answer = _PACKET.pack(
            self.leap << 6 | 4 << 3 | 4,
            self.stratum,
            6,
            -20,
            0,
            0,
            0,
            *now,
            *originate,
            *now,
            *now,
        )
        if self.change:
            answer = self.change(answer)
        if answer:
            self._transport.sendto(answer, source)
