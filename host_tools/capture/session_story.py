"""The CWMP sessions of a capture: from Inform to the empty answer that ends it."""

import hashlib
from collections.abc import Iterator

from host_tools.capture import cwmp, http, tcp_request_story
from host_tools.capture.filters import Filters
from host_tools.capture.http import Exchange, HttpMessage
from host_tools.capture.packets import Address
from host_tools.capture.story import Session, Step, Story, shown, worst
from host_tools.capture.streams import Connection, Direction
from host_tools.capture.udp_request import Check

_INTERESTING = {  # last part of a parameter name: requirement about its value
    "UDPConnectionRequestAddress": "STUN-61",
    "ConnectionRequestURL": "CWMP-31",
    "NATDetected": "STUN-60",
    "STUNEnable": "DM-02",
    "ParameterKey": "CWMP-31",
}
_LEARNED_NS = 1_000_000_000
_TOLD = ("CommandKey", "ParameterKey", "Status", "FileType", "URL", "ObjectName", "ParameterPath")
_SAME_CONNECTION_NS = 2_000_000_000


def tell(
    story: Story, connections: list[Connection], filters: Filters, password: str | None
) -> None:
    """Add TCP Connection Requests and sessions, with a step per HTTP message."""
    views = _without_second_views(story, connections)
    for connection in views:
        _connection_steps(story, connection, filters)
    found = [exchange for connection in views for exchange in http.exchanges(connection)]
    found.sort(key=_time)
    calls = tcp_request_story.TcpRequests(story, filters, password, found)
    sessions = _Sessions(story, filters)
    for exchange in found:
        if not calls.take(exchange):
            sessions.take(exchange)


def _time(exchange: Exchange) -> int:
    message = exchange.request or exchange.response
    return message.start_ns if message else 0


def _without_second_views(story: Story, connections: list[Connection]) -> list[Connection]:
    """A connection captured on both sides of a NAT counts once."""
    kept: dict[tuple[Address, bytes, bytes], Connection] = {}
    result = []
    for connection in connections:
        sides = connection.to_server, connection.to_client
        key = connection.server, _content(sides[0]), _content(sides[1])
        other = kept.get(key)
        if (
            other
            and connection.to_server.runs
            and other.client != connection.client
            and abs(other.opened_ns - connection.opened_ns) < _SAME_CONNECTION_NS
        ):
            story.notes.append(
                f"TCP from {shown(connection.client)} to {shown(connection.server)} is "
                f"that from {shown(other.client)} on the other side of a NAT: told once"
            )
            continue
        kept[key] = connection
        result.append(connection)
    return result


def _content(side: Direction) -> bytes:
    digest = hashlib.sha256()
    for run in side.runs:
        digest.update(run.data)
    return digest.digest()


def _connection_steps(story: Story, connection: Connection, filters: Filters) -> None:
    """Only what went wrong in TCP itself."""
    ends = f"{shown(connection.client)} to {shown(connection.server)}"
    frames = [segment.frame for segment in connection.segments]
    if connection.to_server.runs and connection.to_server.runs[0].data[:2] == b"\x16\x03":
        story.notes.append(f"TCP {ends} is TLS: its content cannot be read")
    for side, what in ((connection.to_server, "client"), (connection.to_client, "server")):
        if side.missing:
            story.notes.append(f"TCP {ends}: {side.missing} bytes of the {what} are missing")
        if side.retransmitted or side.out_of_order:
            story.notes.append(
                f"TCP {ends}: {side.retransmitted} segments repeated, {side.out_of_order} "
                f"out of order, from the {what}"
            )
    where = filters.connection(connection.client, connection.server, frames)
    for kind, time_ns, who in connection.ends:
        if kind == "RST":
            text = f"TCP {ends}: connection broken by {who} (RST)"
            story.steps.append(Step(time_ns, "tcp", "note", text, [], frames, where))


class _Sessions:
    def __init__(self, story: Story, filters: Filters) -> None:
        self.story = story
        self.filters = filters
        self.by_connection: dict[int, Session] = {}
        self.open: dict[tuple[str, Address], Session] = {}
        self.informs: dict[int, bytes] = {}  # id of the session -> body of its Inform
        self.cookies: dict[int, str] = {}

    def take(self, exchange: Exchange) -> None:
        """Add what this exchange says, if it is CWMP."""
        request, response = exchange.request, exchange.response
        session = self.by_connection.get(exchange.connection.index)
        if request and request.method == "POST" and self._is_cwmp(exchange, session):
            self._post(exchange, request)
        elif request is None and response and session:
            self._response(exchange, session, response, None)

    def _is_cwmp(self, exchange: Exchange, session: Session | None) -> bool:
        request = exchange.request
        assert request is not None
        if b"Envelope" in request.body or session is not None:
            return True
        key = exchange.connection.client[0], exchange.connection.server
        answer = exchange.response
        # An empty POST belongs to a session that began before the capture if it is answered
        # as an ACS does.
        like_acs = bool(answer and (answer.status == 204 or b"Envelope" in answer.body))
        return not request.body and (key in self.open or like_acs)

    def _post(self, exchange: Exchange, request: HttpMessage) -> None:
        envelope, checks = self._envelope(request)
        session = self._session(exchange, request, envelope)
        if request.body and request.header("SOAPAction") is None:
            checks.append(Check("CWMP-01", "note", "envelope without a SOAPAction header"))
        if (request.header("Authorization") or "").lower().startswith("basic"):
            checks.append(Check("CWMP-04", "note", "Basic credentials, readable by anyone"))
        cookie = self.cookies.get(id(session))
        if cookie and cookie not in (request.header("Cookie") or ""):
            checks.append(Check("CWMP-06", "wrong", "the session cookie was not sent back"))
        if envelope is None:
            text = "empty POST: nothing more to say" if not request.body else "POST, not readable"
        elif envelope.method == "Inform":
            session.attempts += 1
            text = self._inform(session, envelope, checks)
        else:
            text = _spoken(envelope)
            self._faults(session, envelope)
        self._step(exchange.connection.to_server, request, f"CPE: {text}", checks)
        session.problems += [check.text for check in checks if check.mark == "wrong"]
        if exchange.response:
            self._response(exchange, session, exchange.response, envelope)
        else:
            session.end = _unanswered(exchange.connection)

    def _session(
        self, exchange: Exchange, request: HttpMessage, envelope: cwmp.Envelope | None
    ) -> Session:
        connection = exchange.connection
        key = connection.client[0], connection.server
        session = self.by_connection.get(connection.index) or self.open.get(key)
        inform = envelope is not None and envelope.method == "Inform"
        if inform and session:
            same_device = envelope is not None and _device(envelope) == session.device
            repeated = self.informs.get(id(session)) == request.body
            waiting = not session.inform_accepted and session.end_ns is None
            if not (same_device and (session.end == "challenged" or (waiting and repeated))):
                session = None
        if session is None:
            session = Session(
                request.start_ns, connection.client, connection.server, "?", [], None, inform
            )
            self.story.sessions.append(session)
        if inform:
            self.informs[id(session)] = request.body
        self.by_connection[connection.index] = session
        self.open[key] = session
        return session

    def _envelope(self, message: HttpMessage) -> tuple[cwmp.Envelope | None, list[Check]]:
        checks = []
        if message.problem:
            checks.append(Check("CWMP-01", "note", message.problem))
        if not message.body:
            return None, checks
        try:
            return cwmp.parse(message.body), checks
        except cwmp.NotSoap as error:
            checks.append(Check("CWMP-10", "wrong", str(error)))
            return None, checks

    def _inform(self, session: Session, envelope: cwmp.Envelope, checks: list[Check]) -> str:
        session.device = _device(envelope)
        session.events = [code for code, _ in envelope.events]
        session.retry_count = envelope.retry_count
        session.values = envelope.values
        if not envelope.events:
            checks.append(Check("CWMP-30", "wrong", "Inform without events"))
        for name in ("OUI", "SerialNumber"):
            if not envelope.device.get(name):
                checks.append(Check("CWMP-30", "wrong", f"Inform without {name}"))
        for name, value in envelope.values:
            requirement = _INTERESTING.get(name.rpartition(".")[2])
            if requirement:
                checks.append(Check(requirement, "ok", f"{name} = {value}"))
            if name.endswith(".UDPConnectionRequestAddress"):
                checks += self._reported(session, value)
        events = ", ".join(session.events) or "none"
        return (
            f"Inform of {session.device}: events {events}; RetryCount {envelope.retry_count}; "
            f"{len(envelope.values)} parameters"
        )

    def _reported(self, session: Session, value: str) -> list[Check]:
        """STUN-61: the address reported is the binding learned, give or take a second."""
        cpes = [cpe for cpe in self.story.cpes if cpe.mapped]
        near = [cpe for cpe in cpes if session.client[0] in cpe.hosts()]
        cpe = (cpes if len(cpes) == 1 else near)[0] if len(near) == 1 or len(cpes) == 1 else None
        if cpe is None:
            return []
        times = session.time_ns, session.time_ns - _LEARNED_NS
        learned = [address for address in map(cpe.mapped_at, times) if address]
        if not value and len(learned) == 1:  # nothing was learned a second ago
            return []
        if not learned or value in (shown(address) for address in learned):
            return []
        return [Check("STUN-61", "wrong", f"the binding was {shown(learned[0])}")]

    def _faults(self, session: Session, envelope: cwmp.Envelope) -> None:
        if not envelope.fault:
            return
        session.faults.append(f"{envelope.fault[0]} {envelope.fault[1]}".strip())
        for name, code, text in envelope.parameter_faults:
            session.faults.append(f"{code} {name}: {text}".strip())

    def _response(
        self,
        exchange: Exchange,
        session: Session,
        response: HttpMessage,
        asked: cwmp.Envelope | None,
    ) -> None:
        envelope, checks = self._envelope(response)
        cookie = response.header("Set-Cookie")
        if cookie:
            self.cookies[id(session)] = cookie.partition(";")[0].strip()
        if response.status == 401:
            text = self._challenge(response)
            session.end, session.end_ns = "challenged", response.end_ns
            if exchange.request and exchange.request.header("Authorization"):
                checks.append(Check("CWMP-08", "wrong", "401 again, with credentials"))
        elif response.status in (301, 302, 307, 308):
            text = f"{response.status} redirect to {response.header('Location') or '?'}"
        elif response.status not in (200, 204):
            text = f"{response.status} {response.reason}: session failed"
            session.end, session.end_ns = f"refused with {response.status}", response.end_ns
        elif envelope:
            text = self._called(session, envelope, asked, checks)
        elif response.body:
            text = "answer not readable"
        else:
            text = f"{response.status}, empty: end of session"
            if asked and asked.method == "Inform":
                checks.append(Check("CWMP-20", "wrong", "an empty answer to the Inform"))
            session.end, session.end_ns = "complete", response.end_ns
            self.open.pop((session.client[0], session.server), None)
        if response.problem and exchange.connection.reset:
            session.end = _unanswered(exchange.connection)
        self._step(exchange.connection.to_client, response, f"ACS: {text}", checks)

    def _challenge(self, response: HttpMessage) -> str:
        given = response.header("WWW-Authenticate") or ""
        scheme = given.partition(" ")[0] or "no"
        wanted = http.parameters(given)
        names = (name for name in ("realm", "qop", "algorithm") if name in wanted)
        parts = [f"{name} {wanted[name]}" for name in names]
        return f"401, {scheme} challenge ({', '.join(parts)})"

    def _called(
        self,
        session: Session,
        envelope: cwmp.Envelope,
        asked: cwmp.Envelope | None,
        checks: list[Check],
    ) -> str:
        session.end = "not in the file"
        session.end_ns = None
        if envelope.method == "InformResponse":
            session.inform_accepted = True
        elif envelope.method == "Fault":
            self._faults(session, envelope)
        elif not envelope.method.endswith("Response"):
            session.rpcs.append(envelope.method)
        answers = envelope.method.endswith("Response") and asked is not None
        if answers and asked and envelope.id is not None and envelope.id != asked.id:
            checks.append(Check("CWMP-13", "note", "the answer's cwmp:ID is not the request's"))
        return _spoken(envelope) + (", HoldRequests" if envelope.hold_requests else "")

    def _step(
        self, direction: Direction, message: HttpMessage, text: str, checks: list[Check]
    ) -> None:
        where = self.filters.message(direction, message.start, message.end, message.frames)
        mark = worst(checks)
        self.story.steps.append(
            Step(message.start_ns, "cwmp", mark, text, checks, message.frames, where)
        )


def _device(envelope: cwmp.Envelope) -> str:
    parts = [envelope.device.get(name, "") for name in ("OUI", "ProductClass", "SerialNumber")]
    return "-".join(part for part in parts if part) or "?"


def _unanswered(connection: Connection) -> str:
    if connection.reset:
        return "connection broken"
    return "closed without an answer" if connection.ends else "not in the file"


def _spoken(envelope: cwmp.Envelope) -> str:
    if envelope.fault:
        code, text = envelope.fault
        known = cwmp.FAULTS.get(code, "")
        return f"Fault {code} {text or known}"
    arguments = [f"{name} {value}" for name, value in _arguments(envelope)]
    inside = []
    if arguments:
        inside.append(", ".join(arguments))
    if envelope.values:
        inside.append(f"{len(envelope.values)} values")
    if envelope.names:
        inside.append(f"{len(envelope.names)} names")
    return envelope.method + (f" ({'; '.join(inside)})" if inside else "")


def _arguments(envelope: cwmp.Envelope) -> Iterator[tuple[str, str]]:
    for name, value in envelope.arguments.items():
        if name in _TOLD and value:
            yield name, value[:80]
