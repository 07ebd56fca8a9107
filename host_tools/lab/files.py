"""The lab's file server: what Download fetches and Upload puts, with faults on demand.

files = FileServer(username="u", password="p")
await files.start()
url = files.offer("app.bundle", content, Fault(cut=1000))
...
files.put["log.txt"], files.served, files.refused
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from aiohttp import web

from host_tools.lab import acs_http
from host_tools.lab.acs_http import Connection, Written
from host_tools.lab.digest import Authenticator, BadAuthorization
from host_tools.lab.watch import Watch


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one file. `status`: an error and no file. `cut`: the connection closes
    after so many bytes of the body. `stall`: nothing comes after so many, until `go_on`. `short`:
    the file ends so many bytes early, and Content-Length agrees. `pace`: pieces of 512 bytes, with
    so many seconds between. `length`: False announces none. `location`: a redirect to there.
    """

    status: int = 0
    cut: int | None = None
    stall: int | None = None
    short: int = 0
    pace: float = 0.0
    length: bool = True
    location: str = ""


class FileServer:
    """Files by name on `host:port` (0: a free one); Digest is asked for when there is a
    `username`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        username: str = "",
        password: str = "",
        *,
        schemes: tuple[str, ...] = ("digest",),
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.host = host
        self.port = port
        self.put: dict[str, bytes] = {}
        self.served: list[str] = []  # "GET name", once for each answer with a body
        self.refused: list[str] = []
        self._files: dict[str, tuple[bytes, Fault]] = {}
        self._tls = tls
        self._authenticator = (
            Authenticator(username, password, schemes=schemes) if username else None
        )
        self._go_on = asyncio.Event()
        self._stalled = 0
        self._watch = Watch()
        self._http: acs_http.Server | None = None
        self._listening: asyncio.Server | None = None

    def url(self, name: str) -> str:
        return f"http{'s' if self._tls else ''}://{self.host}:{self.port}/{name}"

    def offer(self, name: str, content: bytes, fault: Fault | None = None) -> str:
        """Serve a file from now on; return its URL."""
        self._files[name] = (content, fault or Fault())
        return self.url(name)

    def go_on(self) -> None:
        """Let stalled answers go on, and only those."""
        self._go_on.set()
        self._go_on = asyncio.Event()
        self._stalled = 0

    async def wait_stalled(self, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until so many answers have come to where they stall."""
        await self._watch.until(lambda: self._stalled >= count or None, timeout, "stalled answer")

    async def wait_put(self, name: str, timeout: float = 10.0) -> bytes:
        """Wait for an upload and return it."""
        return await self._watch.until(lambda: self.put.get(name), timeout, f"upload {name}")

    async def start(self) -> None:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.host, self.port))
        self.port = listening.getsockname()[1]
        self._http = acs_http.Server(self._handle, lambda number: None, self._not_http)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._http, sock=listening, ssl=self._tls)

    async def stop(self) -> None:
        self._go_on.set()
        if self._listening is not None:
            self._listening.close()
        if self._http is not None:
            await self._http.shutdown(0.05)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def _not_http(self, number: int, status: int, message: str) -> None:
        self.refused.append(f"{status} {message}")

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body, connection, _ = await acs_http.read(request)
        name = request.path.lstrip("/")
        challenge = self._challenge(request, body, connection)
        if challenge:
            return await self._answer(request, 401, [("WWW-Authenticate", v) for v in challenge])
        if request.method == "PUT":
            content, fault = self._files.get(name, (b"", Fault()))
            if fault.status:
                return await self._answer(request, fault.status)
            self.put[name] = body
            self._watch.notify()
            return await self._answer(request, 201)
        if request.method != "GET":
            return await self._answer(request, 405)
        if name not in self._files:
            return await self._answer(request, 404)
        content, fault = self._files[name]
        if fault.location:
            return await self._answer(request, 302, [("Location", fault.location)])
        if fault.status:
            return await self._answer(request, fault.status)
        self.served.append(f"GET {name}")
        return await self._send(request, content[: len(content) - fault.short], fault)

    def _challenge(
        self, request: web.BaseRequest, body: bytes, connection: Connection
    ) -> list[str]:
        if self._authenticator is None:
            return []
        given = request.headers.get("Authorization")
        number = connection.number
        try:
            self._authenticator.check(given, request.method, request.raw_path, body, number)
        except BadAuthorization as error:
            if given is not None:
                self.refused.append(f"401 {error}")
            return self._authenticator.challenges(number, error.stale)
        return []

    async def _answer(
        self, request: web.BaseRequest, status: int, headers: list[tuple[str, str]] | None = None
    ) -> Written:
        if status >= 400 and status != 401:
            self.refused.append(f"{status} {request.path}")
        return await acs_http.deliver(
            request,
            acs_http.Reply(status, headers or [], content=HTTPStatus(status).phrase.encode()),
        )

    async def _send(self, request: web.BaseRequest, content: bytes, fault: Fault) -> Written:
        transport = request.transport
        assert transport is not None
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        if fault.length:
            head += f"Content-Length: {len(content)}\r\n"
        else:
            head += "Connection: close\r\n"
        transport.write(head.encode() + b"\r\n")
        whole = content if fault.cut is None else content[: fault.cut]
        size = 512 if fault.pace else 8192
        for at in range(0, len(whole), size):
            piece = whole[at : at + size]
            if fault.stall is not None and at <= fault.stall < at + size:
                transport.write(piece[: fault.stall - at])
                self._stalled += 1
                self._watch.notify()
                await self._go_on.wait()
                piece = piece[fault.stall - at :]
            if transport.is_closing():
                return Written(False)
            transport.write(piece)
            await asyncio.sleep(fault.pace)
            await self._drained(transport)
        return Written(fault.length and fault.cut is None and request.keep_alive)

    @staticmethod
    async def _drained(transport: asyncio.Transport) -> None:
        while transport.get_write_buffer_size() > 65536 and not transport.is_closing():
            await asyncio.sleep(0.001)
