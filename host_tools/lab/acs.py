"""The lab ACS: sessions with any number of CPEs, a check of all they send, faults on demand.

Written from the standard for the other end of the wire; it shares no code with the firmware:

    acs = Acs(username="cpe", password="secret", provision=Provision(), send_udp=stun.send)
    await acs.start()
    cpe = await acs.wait_cpe()
    values = await cpe.queue(rpc.get_values("Device."))
    ring = await acs.ring(cpe)
    session = await ring.session()
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from aiohttp import web

from host_tools.lab import acs_http, cwmp_check, soap
from host_tools.lab import ring as ring_module
from host_tools.lab.acs_dialogue import Dialogue
from host_tools.lab.acs_faults import Incoming, Script
from host_tools.lab.acs_http import Reply
from host_tools.lab.cpe import Cpe, DeviceId, Session, read_device, read_inform, read_transfer
from host_tools.lab.cwmp_check import Violation
from host_tools.lab.digest import Authenticator, BadAuthorization
from host_tools.lab.provision import Provision
from host_tools.lab.ring import Ring, SendUdp, TcpRing
from host_tools.lab.soap import Received
from host_tools.lab.watch import Watch

COOKIE = "session"
MAX_TOKENS = 10_000  # old ones are kept a while, to notice a cookie used beyond its session
ONE_ATTEMPT_NS = 5_000_000_000  # an Inform turned away longer ago was another attempt


@dataclass
class _Arrival:
    """One HTTP request, read whole; `found` collects what is wrong with it."""

    request: web.BaseRequest
    body: bytes
    connection: int
    first_byte_ns: int
    found: list[Violation]


class Acs:
    """One ACS on `host:port` (0: a free one). Without `username` no authentication is asked for.

    `auth`: schemes and options of `Authenticator`; `auth_each`: "request" or "connection" (as
    GenieACS, which asks again on every new connection). `cookies`: more cookies to set.
    `session_timeout`: seconds without a message; `reconnect_grace`: seconds without a connection.
    `tls`: serve https, with what this context holds.
    `draw`: as `secrets.token_hex`, for what is not to be guessed.
    `send_udp`: how UDP Connection Requests leave, e.g. the STUN server's `send` (X13).
    Times are in seconds, timestamps in `time.monotonic_ns`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str | None = None,
        password: str | None = None,
        *,
        auth: Mapping[str, Any] | None = None,
        auth_each: str = "request",
        provision: Provision | None = None,
        cookies: Mapping[str, str] | None = None,
        session_timeout: float = 30.0,
        reconnect_grace: float = 2.0,
        send_udp: SendUdp | None = None,
        tls: ssl.SSLContext | None = None,
        draw: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.host = host
        self.port = port
        self.send_udp = send_udp
        self.tls = tls
        self.script = Script()
        self.listeners: list[Callable[[str, Cpe | None, object], None]] = []
        self.cpes: dict[str, Cpe] = {}
        self.violations: list[Violation] = []
        self.refused: list[str] = []
        self.secrets = {password} if password else set()
        self._authenticator: Authenticator | None = None
        if username is not None:
            options = {"draw": draw, **(auth or {})}
            self._authenticator = Authenticator(username, password or "", **options)
        self._draw = draw
        self._auth_each = auth_each
        self._authenticated: set[int] = set()
        self._cookies = dict(cookies or {})
        self._session_timeout = session_timeout
        self._reconnect_grace = reconnect_grace
        self._tokens: dict[str, tuple[Cpe, Session]] = {}
        self._by_connection: dict[int, tuple[Cpe, Session]] = {}
        self._first_try: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._watch = Watch()
        self._dialogue = Dialogue(
            self._watch, lambda found, cpe: self._violated([found], cpe, cpe.key)
        )
        if provision is not None:
            self.set_provision(provision)
        self._http: acs_http.Server | None = None
        self._listening: asyncio.Server | None = None
        self._udp: socket.socket | None = None

    def set_provision(self, provision: Provision, stun_port: int = 0) -> None:
        """Set up CPEs like this from now on; `stun_port` replaces the port when it is not 0."""
        if stun_port:
            provision = replace(provision, stun_port=stun_port)
        self._dialogue.provision = provision
        if provision.stun_password:
            self.secrets.add(provision.stun_password)

    @property
    def url(self) -> str:
        """The ACS URL; the port is known once started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}/acs"

    async def start(self) -> None:
        """Listen. The sockets are made before anything is awaited: in the caller's namespace."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.host, self.port))
        except OSError:
            listening.close()
            raise
        self.port = listening.getsockname()[1]
        if self.send_udp is None:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            # Requests by UDP go over IPv4 even where sessions do not.
            self._udp.bind((self.host if family == socket.AF_INET else "", 0))
            self._udp.setblocking(False)
        self._http = acs_http.Server(self._handle, self._connection_lost, self._not_http)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._http, sock=listening, ssl=self.tls)

    async def stop(self) -> None:
        """Stop listening, close every connection; running sessions end as failed."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._listening is not None:
            self._listening.close()
        if self._http is not None:
            await self._http.shutdown(0.05)
        for cpe in self.cpes.values():
            if cpe.session is not None:
                cpe.end_session(cpe.session, False, "the ACS was stopped")
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def cut_request(self, after: int) -> None:
        """Read `after` more bytes of what CPEs send, then reset that connection."""
        if self._http is not None:
            self._http.bytes_left = after

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def wait_cpe(self, timeout: float = 10.0, key: str | None = None) -> Cpe:
        """Return the first CPE that ever sent an Inform, or the one of that key."""

        def look() -> Cpe | None:
            return self.cpes.get(key) if key else next(iter(self.cpes.values()), None)

        return await self._watch.until(look, timeout, f"CPE {key or ''}")

    async def ring(self, cpe: Cpe, copies: int = 3, **options: Any) -> Ring:
        """Send a UDP Connection Request; options as for `ring.send`. UserError when it cannot."""
        return await ring_module.send(
            cpe, self.send_udp or self._own_udp, copies=copies, **options
        )

    async def ring_tcp(self, cpe: Cpe, **options: Any) -> TcpRing:
        """Send a TCP Connection Request; options as for `ring.send_tcp`. UserError, Failed."""
        return await ring_module.send_tcp(cpe, **options)

    def _own_udp(self, datagram: bytes, to: tuple[str, int]) -> None:
        if self._udp is None:
            raise RuntimeError("the ACS is not started")
        self._udp.sendto(datagram, to)

    # One HTTP request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body, connection, first = await acs_http.read(request)
        version = (request.version.major, request.version.minor)
        found = cwmp_check.check_http(request.method, version, request.headers, body)
        if body:
            asked = [name for cpe in self.cpes.values() for name in cpe.asked_in_informs]
            found += cwmp_check.check(body, asked)
        arrival = _Arrival(request, body, connection.number, first, found)
        reply: Reply | None = None
        try:
            message = soap.parse(body) if body else None
            inform = message is not None and message.method == "Inform"
            device = read_device(message.element) if message is not None and inform else None
        except soap.EnvelopeError as error:
            reply = self._refuse(400, str(error))
            message = device = None
        if device is not None:
            self._first_try.setdefault(device.key, first)
        reply = reply or self._challenge(arrival)
        if reply is None and request.method != "POST":
            reply = self._refuse(405, f"method {request.method}")
        state = self._session_for(device, arrival) if reply is None else None
        if reply is None and state is None:
            reply = self._refuse(400, "Invalid session")
        if reply is not None or state is None:
            self._violated(found, None, f"connection {connection.number}")
            return await acs_http.deliver(request, reply or Reply(500))
        return await self._answer(arrival, *state, message)

    async def _answer(
        self, arrival: _Arrival, cpe: Cpe, session: Session, message: Received | None
    ) -> web.StreamResponse:
        incoming = self._enter(arrival, cpe, session, message)

        async def normal() -> Reply:
            reply = await self._dialogue.answer(incoming)
            if incoming.method == "Inform":
                reply.headers += self._set_cookies(cpe, session)
            return reply

        fault = self.script(incoming)
        session.inform_again = fault is not None and fault.again
        session.answering += 1
        try:
            reply = await (normal() if fault is None else fault.reply(incoming, normal))
            session.log.append("< " + reply.summary + (f" ({fault.name})" if fault else ""))
            written = await acs_http.deliver(arrival.request, reply)
        finally:
            session.answering -= 1
        if fault is not None and fault.fails:
            self._end(cpe, session, False, f"the lab answered with {fault.name}")
        elif reply.ends_session:
            self._end(cpe, session, True, "")
        return written

    def _enter(
        self, arrival: _Arrival, cpe: Cpe, session: Session, message: Received | None
    ) -> Incoming:
        """Note the message in its session, with all that is wrong with it."""
        session.messages += 1
        if arrival.connection not in session.connections:
            session.connections.append(arrival.connection)
        self._by_connection[arrival.connection] = (cpe, session)
        method = message.method if message is not None else ""
        session.log.append("> " + (method or "empty"))
        self._check_in_session(cpe, session, arrival)
        where = f"{cpe.key} session {session.number} message {session.messages}"
        self._violated(arrival.found, cpe, where)
        if message is not None and method == "Inform":
            first = arrival.first_byte_ns
            first_try = self._first_try.pop(cpe.key, first)
            if first - first_try > ONE_ATTEMPT_NS:
                first_try = first
            inform = read_inform(message, session.number, first, first_try)
            cpe.informs.append(inform)
            self._tell("inform", cpe, inform)
            self._watch.notify()
        elif message is not None and not message.is_response:
            self._tell("request", cpe, message)
            if method == "TransferComplete":
                cpe.transfers.append(read_transfer(message, session.number))
                self._watch.notify()
        self._arm(cpe, session, self._session_timeout, "no message came any more")
        return Incoming(
            cpe,
            session,
            session.messages,
            method,
            message,
            dict(arrival.request.headers),
            arrival.body,
            arrival.request.path,
            arrival.connection,
            arrival.first_byte_ns,
        )

    def _challenge(self, arrival: _Arrival) -> Reply | None:
        """Return the 401 for a request that is not authenticated, None when it is."""
        checker, connection, request = self._authenticator, arrival.connection, arrival.request
        if checker is None:
            return None
        if self._auth_each == "connection" and connection in self._authenticated:
            return None
        given = request.headers.get("Authorization")
        try:
            checker.check(given, request.method, request.raw_path, arrival.body, connection)
        except BadAuthorization as error:
            if given is not None:
                self._refuse(401, str(error))
            values = checker.challenges(connection, error.stale)
            return Reply(401, [("WWW-Authenticate", value) for value in values])
        if checker.reused_cnonces:
            checker.reused_cnonces.clear()
            arrival.found.append(Violation("CWMP-05", "a cnonce of another connection"))
        self._authenticated.add(connection)
        return None

    def _refuse(self, status: int, why: str) -> Reply:
        self.refused.append(f"{status} {why}")
        self._tell("refused", None, self.refused[-1])
        return Reply(status, [("Content-Type", "text/plain")], content=why.encode())

    # Sessions

    def _set_cookies(self, cpe: Cpe, session: Session) -> list[tuple[str, str]]:
        token = self._draw(16)
        self._tokens[token] = (cpe, session)
        if len(self._tokens) > MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        own = [("Set-Cookie", f"{COOKIE}={token}; Path=/")]
        return own + [("Set-Cookie", f"{name}={value}") for name, value in self._cookies.items()]

    def _session_for(
        self, device: DeviceId | None, arrival: _Arrival
    ) -> tuple[Cpe, Session] | None:
        state = self._tokens.get(arrival.request.cookies.get(COOKIE, ""))
        if device is None:
            if state is None or state[1].ok is not None:
                text = "a message without the cookie of a running session"
                arrival.found.append(Violation("CWMP-06", text))
                return None
            return state
        cpe = self.cpes.get(device.key)
        if cpe is None:
            cpe = self.cpes[device.key] = Cpe(device, self._watch)
        if cpe.session is not None and cpe.session.inform_again:
            return cpe, cpe.session
        if state is not None:
            text = "an Inform with the cookie of an older session"
            arrival.found.append(Violation("CWMP-06", text))
        if cpe.session is not None:
            self._end(cpe, cpe.session, False, "a new Inform came before the end")
        return cpe, cpe.open_session()

    def _check_in_session(self, cpe: Cpe, session: Session, arrival: _Arrival) -> None:
        if session.answering:
            text = "a message before the answer to the last one"
            arrival.found.append(Violation("CWMP-03", text))
        own = {cpe.connection_request.password} if cpe.connection_request else set()
        if any(word.encode() in arrival.body for word in self.secrets | own if len(word) > 5):
            arrival.found.append(Violation("B13", "a password in a message"))
        if session.messages > 1 and not session.inform_again:
            for name, value in self._cookies.items():
                if arrival.request.cookies.get(name) != value:
                    arrival.found.append(Violation("CWMP-06", f"cookie {name} not returned"))

    def _end(self, cpe: Cpe, session: Session, ok: bool, reason: str) -> None:
        if session.ok is not None:
            return
        timer = self._timers.pop(cpe.key, None)
        if timer is not None:
            timer.cancel()
        cpe.end_session(session, ok, reason)
        self._tell("session", cpe, session)

    def _arm(self, cpe: Cpe, session: Session, seconds: float, reason: str) -> None:
        """End the session as failed unless something comes within `seconds`."""
        timer = self._timers.pop(cpe.key, None)
        if timer is not None:
            timer.cancel()
        if session.ok is None:
            loop = asyncio.get_running_loop()
            self._timers[cpe.key] = loop.call_later(
                seconds, self._end, cpe, session, False, reason
            )

    def _connection_lost(self, connection: int) -> None:
        self._authenticated.discard(connection)
        cpe, session = self._by_connection.pop(connection, (None, None))
        if cpe is None or session is None or session.ok is not None:
            return
        if session.connections[-1] == connection:  # no later one has taken over
            self._arm(cpe, session, self._reconnect_grace, "the connection was lost")

    def _not_http(self, connection: int, status: int, text: str) -> None:
        rule = "CWMP-01" if status == 400 else "LAB"
        self._violated([Violation(rule, text.strip())], None, f"connection {connection}")

    def _violated(self, found: list[Violation], cpe: Cpe | None, where: str) -> None:
        for violation in found:
            placed = replace(violation, where=where)
            self.violations.append(placed)
            self._tell("violation", cpe, placed)

    def _tell(self, kind: str, cpe: Cpe | None, what: object) -> None:
        for listener in self.listeners:
            listener(kind, cpe, what)
