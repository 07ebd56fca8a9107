"""Ringing a CPE: one Connection Request from an ACS by UDP or TCP, and the session it woke."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from host_tools.errors import UserError
from host_tools.lab import tcp_request, udp_request
from host_tools.lab.cpe import Cpe, Credentials, Inform, Session
from host_tools.lab.udp_request import Style
from host_tools.wake import split_address

SendUdp = Callable[[bytes, tuple[str, int]], object]
CONNECTION_REQUEST = "6 CONNECTION REQUEST"


@dataclass(frozen=True)
class Rung:
    """One Connection Request; `sent_at` is `time.monotonic_ns` before it left."""

    cpe: Cpe
    sent_at: int

    async def woken(self, timeout: float = 10.0) -> Inform:
        """Return the first Inform with 6 CONNECTION REQUEST that began after it was sent."""
        return await self.cpe.wait_inform(
            CONNECTION_REQUEST, timeout=timeout, after_ns=self.sent_at
        )

    async def session(self, timeout: float = 10.0) -> Session:
        """Return the session that it woke, when that has ended."""
        inform = await self.woken(timeout)
        return await self.cpe.wait_session_end(inform.session, timeout)


@dataclass(frozen=True)
class Ring(Rung):
    """One UDP Connection Request, in several copies."""

    to: tuple[str, int]
    ts: int | str
    id: int | str
    cn: str
    copies: int
    datagram: bytes


@dataclass(frozen=True)
class TcpRing(Rung):
    """One TCP Connection Request and what the CPE answered in the end: 200 or 204 is a yes."""

    url: str
    status: int


async def send(
    cpe: Cpe,
    send_udp: SendUdp,
    *,
    copies: int = 3,
    interval_ms: int = 0,
    style: str | Style = "spec",
    ts: int | str | None = None,
    id: int | str | None = None,
    cn: str | None = None,
    address: str | None = None,
    credentials: Credentials | None = None,
) -> Ring:
    """Send one UDP Connection Request with what was learnt from the CPE, or what is given instead.

    UserError when the ACS knows no address or no credentials for it.
    """
    name = cpe.management("UDPConnectionRequestAddress")
    address = address or cpe.parameters.get(name)
    credentials = credentials or cpe.connection_request
    if not address:
        raise UserError(f"{cpe.key} has not said where it can be reached: {name} is unknown")
    if credentials is None:
        raise UserError(f"{cpe.key} has no Connection Request credentials from this ACS")
    host, port = split_address(address)
    new_ts, new_id, new_cn = udp_request.fresh(style)
    ts, id, cn = (
        new_ts if ts is None else ts,
        new_id if id is None else id,
        new_cn if cn is None else cn,
    )
    datagram = udp_request.build(
        credentials.username, credentials.password, host, port, ts, id, cn, style
    )
    sent_at = time.monotonic_ns()
    for copy in range(copies):
        if copy and interval_ms:
            await asyncio.sleep(interval_ms / 1000)
        send_udp(datagram, (host, port))
    return Ring(cpe, sent_at, (host, port), ts, id, cn, copies, datagram)


async def send_tcp(
    cpe: Cpe,
    *,
    url: str | None = None,
    credentials: Credentials | None = None,
    timeout: float = tcp_request.TIMEOUT,
) -> TcpRing:
    """Send one TCP Connection Request; as for `send`. Failed when nobody answers."""
    name = cpe.management("ConnectionRequestURL")
    url = cpe.parameters.get(name) if url is None else url
    credentials = credentials or cpe.connection_request
    if not url:
        raise UserError(f"{cpe.key} takes no TCP Connection Requests: {name} is empty")
    if credentials is None:
        raise UserError(f"{cpe.key} has no Connection Request credentials from this ACS")
    sent_at = time.monotonic_ns()
    answer = await tcp_request.ring(url, credentials.username, credentials.password, timeout)
    return TcpRing(cpe, sent_at, url, answer.status)
