"""The HTTP side of the lab ACS: aiohttp reads requests, every byte of an answer is our own.

Writing them ourselves is what lets an answer be broken on purpose, and reading needs one thing
more than aiohttp offers: when the first byte of a request arrived.
"""

import asyncio
import itertools
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from host_tools.lab.soap import Envelope

MAX_BODY = 64 * 1024 * 1024  # a lab wants to see an oversized message, not to turn it away
_numbers = itertools.count(1)


@dataclass
class Reply:
    """One HTTP answer. `envelope` wins over `content`; the rest says how the bytes go out.

    `chunk`: size of the pieces of a chunked body. `cut`: how the whole is cut into writes, with
    `pause` seconds between. `times`: the whole is sent that often. `raw`: these bytes and no HTTP
    at all. `close`: close afterwards without saying so; `abort`: reset the connection.
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    envelope: Envelope | None = None
    content: bytes = b""
    ends_session: bool = False
    chunk: int = 0
    cut: Callable[[bytes], Iterable[bytes]] | None = None
    pause: float = 0.0
    times: int = 1
    raw: bytes | None = None
    close: bool = False
    abort: bool = False

    @property
    def body(self) -> bytes:
        """The body before any transfer coding."""
        return self.content if self.envelope is None else self.envelope.to_bytes()

    @property
    def summary(self) -> str:
        """The method in it, or the HTTP status."""
        if self.raw is not None or self.envelope is None:
            return "raw" if self.raw is not None else str(self.status)
        return self.envelope.body.name.rpartition(":")[2]

    def to_bytes(self) -> bytes:
        """Return the HTTP response as it goes on the wire."""
        if self.raw is not None:
            return self.raw
        body = self.body
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Unknown"
        headers = list(self.headers)
        names = {name.lower() for name, _ in headers}
        if body and "content-type" not in names:
            headers.append(("Content-Type", 'text/xml; charset="utf-8"'))
        if self.chunk:
            headers.append(("Transfer-Encoding", "chunked"))
            body = b"".join(_chunks(body, self.chunk))
        elif self.status not in (204, 304) and "content-length" not in names:
            headers.append(("Content-Length", str(len(body))))
        lines = [f"HTTP/1.1 {self.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _chunks(body: bytes, size: int) -> Iterable[bytes]:
    for place in range(0, len(body), size):
        piece = body[place : place + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


class Connection(RequestHandler):
    """One TCP connection of a CPE: its number, and when the request being read began to arrive."""

    __slots__ = ("first_byte_ns", "number")

    def __init__(self, manager: "Server", **options: Any) -> None:
        super().__init__(manager, loop=asyncio.get_running_loop(), **options)
        self.number = next(_numbers)
        self.first_byte_ns = 0

    def data_received(self, data: bytes) -> None:
        if data and not self.first_byte_ns:
            self.first_byte_ns = time.monotonic_ns()
        manager = self._manager
        if not isinstance(manager, Server) or manager.bytes_left is None:
            super().data_received(data)
            return
        super().data_received(data[: manager.bytes_left])
        manager.bytes_left -= len(data)
        if manager.bytes_left <= 0:
            manager.bytes_left = None
            reset(self.transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        manager = self._manager
        super().connection_lost(exc)
        if isinstance(manager, Server):
            manager.on_lost(self.number)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(self._manager, Server):
            self._manager.on_error(self.number, status, message or repr(exc))
        return super().handle_error(request, status, exc, message)


class Server(web.Server):
    """Hands every request to `handler`; tells of lost connections and of what was not HTTP."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        on_lost: Callable[[int], None],
        on_error: Callable[[int, int, str], None],
    ) -> None:
        super().__init__(handler, request_factory=self._request)
        self.on_lost = on_lost
        self.on_error = on_error
        self.bytes_left: int | None = None  # so many are read yet, then the connection is reset

    def __call__(self) -> RequestHandler:
        return Connection(self, access_log=None, auto_decompress=False)

    def _request(
        self,
        message: Any,
        payload: Any,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=MAX_BODY,
        )


class Written(web.StreamResponse):
    """Tells aiohttp that the answer is already on the wire."""

    def __init__(self, keep_alive: bool) -> None:
        super().__init__()
        self._keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


async def read(request: web.BaseRequest) -> tuple[bytes, Connection, int]:
    """Return the body, the connection, and the time of the request's first byte."""
    body = await request.read()
    connection = request.protocol
    assert isinstance(connection, Connection)
    first, connection.first_byte_ns = connection.first_byte_ns, 0
    return body, connection, first


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with a reset: what closing with a linger time of zero does."""
    if isinstance(transport, asyncio.WriteTransport):
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def deliver(request: web.BaseRequest, reply: Reply) -> Written:
    """Write the reply; stop quietly when the CPE has gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return Written(False)
    if reply.abort:
        reset(transport)
        return Written(False)
    whole = reply.to_bytes() * reply.times
    for piece in reply.cut(whole) if reply.cut else (whole,):
        if transport.is_closing():
            return Written(False)
        transport.write(piece)
        if reply.pause:
            await asyncio.sleep(reply.pause)
    told = any(name.lower() == "connection" and value == "close" for name, value in reply.headers)
    return Written(request.keep_alive and not reply.close and not told)
