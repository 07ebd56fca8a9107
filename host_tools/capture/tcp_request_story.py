"""TCP Connection Requests of a capture: GETs to a ConnectionRequestURL, with their digest."""

from urllib.parse import urlsplit

from host_tools.capture import cwmp, http
from host_tools.capture.filters import Filters
from host_tools.capture.http import Exchange, HttpMessage
from host_tools.capture.story import Step, Story, TcpRequest, shown, worst
from host_tools.capture.udp_request import Check, Mark

_DIGEST_MARK: dict[str, Mark] = {"right": "ok", "wrong": "wrong", "unchecked": "unchecked"}
_MEANING = {200: "accepted", 204: "accepted", 401: "challenged", 503: "busy"}
_CWMP_PORT = 7547


class TcpRequests:
    """Recognises them by the URLs that Informs report, the port, or the way they are answered.

    `password` is ConnectionRequestPassword; None leaves the digest unchecked.
    """

    def __init__(
        self, story: Story, filters: Filters, password: str | None, exchanges: list[Exchange]
    ) -> None:
        self.story = story
        self.filters = filters
        self.password = password
        self.urls = _urls(exchanges)
        self.acs = {
            exchange.connection.server
            for exchange in exchanges
            if exchange.request and b"Envelope" in exchange.request.body
        }

    def take(self, exchange: Exchange) -> bool:
        """Add the exchange to the story if it is a Connection Request; says whether it was."""
        request = exchange.request
        if request is None or request.method != "GET" or not self._is_one(exchange, request):
            return False
        response = exchange.response
        credentials = request.header("Authorization") or ""
        digest, checks = self._digest(request, credentials)
        if response and response.status == 200 and response.body:
            checks.append(Check("TCR-13", "wrong", f"{len(response.body)} bytes of answer body"))
        if response and response.status in (200, 204) and digest in ("absent", "wrong"):
            checks.append(Check("TCR-10", "wrong", "accepted without right credentials"))
        status = response.status if response else None
        way = exchange.connection.to_server
        said = f"{status} {_MEANING.get(status, 'refused')}" if status else "no answer"
        text = (
            f"TCP Connection Request {shown(way.src)} to {shown(way.dst)} {request.target}: {said}"
        )
        self.story.tcp_requests.append(
            TcpRequest(
                request.start_ns,
                way.src,
                way.dst,
                request.target,
                status,
                bool(credentials),
                digest,
                request.frames,
            )
        )
        where = self.filters.message(way, request.start, request.end, request.frames)
        self.story.steps.append(
            Step(request.start_ns, "http", worst(checks), text, checks, request.frames, where)
        )
        return True

    def _is_one(self, exchange: Exchange, request: HttpMessage) -> bool:
        response, server = exchange.response, exchange.connection.server
        reported = any(server[1] == port and request.target == path for port, path in self.urls)
        if reported:
            return True
        if server in self.acs:  # a download from the ACS
            return False
        if server[1] == _CWMP_PORT:
            return True
        if response and response.status == 401:
            return (response.header("WWW-Authenticate") or "").lower().startswith("digest")
        empty = bool(response and not response.body and response.status in (200, 204, 503))
        return empty and request.header("Authorization") is not None

    def _digest(self, request: HttpMessage, credentials: str) -> tuple[str, list[Check]]:
        if not credentials:
            return "absent", []
        if not credentials.lower().startswith("digest"):
            return "absent", [Check("TCR-12", "wrong", "credentials that are not digest")]
        digest = "unchecked"
        if self.password is not None:
            given = http.parameters(credentials)
            expected = http.digest_response(given, request.method, self.password)
            digest = "right" if given.get("response") == expected else "wrong"
        text = f"digest {digest}" + (": give --password" if digest == "unchecked" else "")
        return digest, [Check("TCR-10", _DIGEST_MARK[digest], text)]


def _urls(exchanges: list[Exchange]) -> set[tuple[int, str]]:
    """Port and path of the ConnectionRequestURLs that Informs in the file report."""
    found = set()
    for exchange in exchanges:
        if not exchange.request or b"ConnectionRequestURL" not in exchange.request.body:
            continue
        try:
            values = cwmp.parse(exchange.request.body).values
        except cwmp.NotSoap:
            continue
        for name, value in values:
            if name.endswith(".ConnectionRequestURL"):
                try:
                    parts = urlsplit(value)
                    found.add((parts.port or 80, parts.path or "/"))
                except ValueError:
                    continue
    return found
