"""The lab's STUN server: answers as a chosen kind of server does, fails on demand, keeps bindings.

It is the server side of TR-069 Annex G: requests that carry CONNECTION-REQUEST-BINDING tell it
where each CPE can be reached, and `send` lets the ACS send a UDP Connection Request from the very
socket that the CPE's NAT lets in (X13).
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Mapping

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import Address, AttributeType, MessageType, StunError
from host_tools.lab.stun_exchange import Answer, Binding, Endpoints, Request
from host_tools.lab.stun_faults import Faults
from host_tools.lab.stun_personality import PERSONALITIES, Personality, respond
from host_tools.lab.watch import Watch
from host_tools.lab.wiretap import Wiretap

LOG_LIMIT = 10_000
BIND_ATTEMPTS = 20


class StunServer:
    """One address, or with `alternate` the four of RFC 3489 (two hosts times two ports).

    Port 0 takes a free one, the alternate port too. With `credentials` {username: password}
    MESSAGE-INTEGRITY in requests is verified. `on_binding(binding, changed)` is called for every
    good request from a primary port; `changed` is true for a new or moved one.
    Give the recorder to this server or to the NAT in front of it: both see the same packets.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        alternate: Address | None = None,
        personality: str | Personality = "classic",
        credentials: Mapping[str, str] | None = None,
        recorder: Wiretap | None = None,
        on_binding: Callable[[Binding, bool], None] | None = None,
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        if isinstance(personality, str):
            personality = PERSONALITIES[personality]
        self.personality = personality
        self.credentials: dict[str, str] = dict(credentials or {})
        self.faults = Faults()
        self.on_binding = on_binding
        self.on_request = on_request
        self.bindings: dict[str | Address, Binding] = {}
        self.log: deque[Request] = deque(maxlen=LOG_LIMIT)
        self.received = 0
        self._endpoints = Endpoints((host, port), alternate)
        self._recorder = recorder
        self._sockets: dict[Address, socket.socket] = {}
        self._later: set[asyncio.TimerHandle] = set()
        self._watch = Watch()

    @property
    def address(self) -> Address:
        """The primary address; its port is known once started."""
        return self._endpoints.primary

    @property
    def alternate(self) -> Address | None:
        return self._endpoints.alternate

    async def start(self) -> None:
        """Bind every address. The sockets are made before anything is awaited, so that a network
        namespace entered around this call applies to them."""
        self._endpoints = self._bind()
        for sock in self._sockets.values():
            self._listen(sock)

    async def stop(self) -> None:
        loop = asyncio.get_running_loop()
        for handle in self._later:
            handle.cancel()
        self._later.clear()
        for sock in self._sockets.values():
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    async def __aenter__(self) -> "StunServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def _bind(self) -> Endpoints:
        host, port = self._endpoints.primary
        alternate = self._endpoints.alternate
        for attempt in range(BIND_ATTEMPTS):
            opened: dict[Address, socket.socket] = {}
            try:
                first = _udp_socket((host, port))
                primary = (host, first.getsockname()[1])
                opened[primary] = first
                endpoints = Endpoints(primary)
                if alternate is not None:
                    second = _udp_socket((host, alternate[1]))
                    other = second.getsockname()[1]
                    opened[host, other] = second
                    endpoints = Endpoints(primary, (alternate[0], other))
                    for address in endpoints.all:
                        if address not in opened:
                            opened[address] = _udp_socket(address)
                self._sockets = opened
                return endpoints
            except OSError:
                for sock in opened.values():
                    sock.close()
                # A free port of one host may be taken on the other: only then another draw helps.
                drawn = port == 0 or (alternate is not None and alternate[1] == 0)
                if not drawn or alternate is None or attempt == BIND_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _listen(self, sock: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(sock, self._readable, sock)

    def _readable(self, sock: socket.socket) -> None:
        local: Address = sock.getsockname()[:2]
        for _ in range(64):  # leave room for the rest of the program in a flood
            try:
                data, source = sock.recvfrom(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier send
            self._received(data, source[:2], local)

    def _received(self, data: bytes, source: Address, local: Address) -> None:
        if self._recorder is not None:
            self._recorder.udp(source, local, data, interface="outside")
        self.received += 1
        now = asyncio.get_running_loop().time()
        request = Request(self.received, data, source, local, now)
        self.log.append(request)
        self._answer(request)
        if self.on_request is not None:
            self.on_request(request)
        self._watch.notify()

    def _answer(self, request: Request) -> None:
        try:
            message = codec.parse(request.data)
            request.message = message
            if message.message_type != MessageType.BINDING_REQUEST:
                return
            secret = self.credentials.get(message.username or "")
            if secret is not None:
                request.key = secret.encode()
                request.verified = message.verified(request.key)
            answer = respond(self.personality, request, self._endpoints, self.credentials)
        except StunError as error:
            request.outcome = f"malformed: {error}"
            return
        if answer is None:
            return
        faults = self.faults.take(request)
        for fault in faults:
            fault.shape(request, answer)
        request.outcome = _outcome(answer)
        data = answer.encode()
        for fault in faults:
            data = fault.damage(data)
        for delay in answer.delays:
            self._send_later(delay, data, answer)
        if answer.reached and answer.is_success:
            self._remember(request)

    def _send_later(self, delay: float, data: bytes, answer: Answer) -> None:
        if delay <= 0:
            self._send(self._socket_for(answer.local), data, answer.destination)
            return

        def fire() -> None:
            self._later.discard(handle)
            self._send(self._socket_for(answer.local), data, answer.destination)

        handle = asyncio.get_running_loop().call_later(delay, fire)
        self._later.add(handle)

    def _socket_for(self, local: Address) -> socket.socket:
        """One of the server's sockets, or (a fault wants it) one of another address, kept open."""
        sock = self._sockets.get(local)
        if sock is None:
            sock = _udp_socket(local)
            self._sockets[local] = sock
            self._listen(sock)
        return sock

    def _send(self, sock: socket.socket, data: bytes, destination: Address) -> None:
        if self._recorder is not None:
            self._recorder.udp(sock.getsockname()[:2], destination, data, interface="outside")
        try:
            sock.sendto(data, destination)
        except OSError:
            pass  # unreachable, or the queue is full: on UDP that is loss

    def send(self, data: bytes, address: Address, local: Address | None = None) -> None:
        """Send any datagram from the server's own socket (X13); `local` as in `Binding.local`."""
        self._send(self._sockets[local or self.address], data, address)

    def _remember(self, request: Request) -> None:
        message = request.message
        if message is None or not message.has_connection_request_binding:
            return
        username = message.username
        key: str | Address = username if username else request.source
        binding = self.bindings.get(key)
        changed = binding is None or binding.mapped != request.source
        if binding is None:
            at = request.received_at
            binding = Binding(key, username, request.source, request.local, at, at)
            self.bindings[key] = binding
        else:
            binding.mapped, binding.local = request.source, request.local
            binding.last_seen = request.received_at
            binding.count += 1
        if message.has(AttributeType.BINDING_CHANGE):
            binding.change_seen = request.received_at
        if self.on_binding is not None:
            self.on_binding(binding, changed)

    async def wait_request(
        self,
        predicate: Callable[[Request], bool] | None = None,
        timeout: float = 5.0,
        since: int = 0,
    ) -> Request:
        """The first logged request with a number above `since` that fits; TimeoutError."""

        def look() -> Request | None:
            for request in self.log:
                if request.number > since and (predicate is None or predicate(request)):
                    return request
            return None

        return await self._watch.until(look, timeout, "STUN request")

    async def wait_binding(
        self, timeout: float = 5.0, predicate: Callable[[Binding], bool] | None = None
    ) -> Binding:
        """The first binding that fits, known already or still to come; TimeoutError."""

        def look() -> Binding | None:
            for binding in self.bindings.values():
                if predicate is None or predicate(binding):
                    return binding
            return None

        return await self._watch.until(look, timeout, "STUN binding")


def _outcome(answer: Answer) -> str:
    if not answer.delays:
        return "silence"
    if answer.is_success:
        return "success"
    for number, value in answer.attributes:
        if number == AttributeType.ERROR_CODE:
            return f"error {(value[2] & 7) * 100 + value[3]}"
    return "error without code"


def _udp_socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


__all__ = ["Binding", "Request", "StunServer"]
