"""A bare STUN client: sends any request and shows the answer, to try servers and NATs with."""

import asyncio
import os
import socket
from collections.abc import Iterable

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import Address, AttributeType, Integrity, Message, MessageType

BINDING = (AttributeType.CONNECTION_REQUEST_BINDING, codec.CONNECTION_REQUEST_BINDING_VALUE)
CHANGE = (AttributeType.BINDING_CHANGE, b"")
RESEND_SECONDS = 0.5


def new_id(cookie: bool = False) -> bytes:
    """A fresh transaction id: 16 random bytes, or the RFC 5389 cookie and 12."""
    return codec.COOKIE + os.urandom(12) if cookie else b"\xee" + os.urandom(15)


class StunClient:
    """One UDP socket, never connected. Use `with` or `async with`, or call `close`."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, port))

    @property
    def address(self) -> Address:
        host, port = self._socket.getsockname()
        return host, port

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "StunClient":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> "StunClient":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def send(self, data: bytes, destination: Address) -> None:
        self._socket.sendto(data, destination)

    async def receive(self, timeout: float = 3.0) -> tuple[bytes, Address]:
        """The next datagram; TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            data, source = await loop.sock_recvfrom(self._socket, 65536)
        return data, source[:2]

    async def ask(
        self,
        server: Address,
        attributes: Iterable[tuple[int, bytes]] = (),
        *,
        cookie: bool = False,
        key: bytes | None = None,
        integrity: Integrity = Integrity.PADDED,
        timeout: float = 3.0,
        resend: bool = False,
    ) -> tuple[Message, Address]:
        """Send a Binding Request, return its answer and where that came from; TimeoutError.

        Datagrams that are no answer to it are passed over. `resend` repeats the request.
        """
        tid = new_id(cookie)
        data = codec.build(
            MessageType.BINDING_REQUEST, tid, attributes, key=key, integrity=integrity
        )
        self.send(data, server)
        async with asyncio.timeout(timeout):
            while True:
                try:
                    raw, source = await self.receive(RESEND_SECONDS if resend else timeout)
                except TimeoutError:
                    self.send(data, server)
                    continue
                try:
                    message = codec.parse(raw)
                except codec.StunError:
                    continue
                if message.transaction_id == tid:
                    return message, source
