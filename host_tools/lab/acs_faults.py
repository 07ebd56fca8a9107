"""What a real ACS, or the network before it, does wrong: answers broken on purpose, by name.

A `Misbehaviour` takes the place of one answer. It may ask for the proper answer (`normal`) and
change it, or never ask, and then the ACS behaves as if the message had not reached it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from host_tools.lab import soap
from host_tools.lab.acs_http import Reply
from host_tools.lab.cpe import Cpe, Session
from host_tools.lab.soap import Dialect, Envelope, Received

Normal = Callable[[], Awaitable[Reply]]


@dataclass(frozen=True)
class Incoming:
    """The message a script decides about. `method` is '' for an empty POST.

    `session` counts the CPE's sessions from 1, `index` the messages of this session from 1.
    """

    cpe: Cpe
    record: Session
    index: int
    method: str
    message: Received | None
    headers: dict[str, str]
    body: bytes
    path: str
    connection: int
    first_byte_ns: int

    @property
    def session(self) -> int:
        return self.record.number


@dataclass(frozen=True)
class Misbehaviour:
    """One way to answer. `fails`: the session is over for the ACS. `again`: the Inform may be sent
    again in the same session.
    """

    name: str
    reply: Callable[[Incoming, Normal], Awaitable[Reply]]
    fails: bool = False
    again: bool = False


def _instead(
    name: str, reply: Callable[[Incoming], Reply], fails: bool = True, again: bool = False
) -> Misbehaviour:
    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        return reply(incoming)

    return Misbehaviour(name, answer, fails, again)


def _changed(name: str, change: Callable[[Reply], Reply]) -> Misbehaviour:
    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        return change(await normal())

    return Misbehaviour(name, answer)


def _envelope(name: str, change: Callable[[Envelope], Envelope]) -> Misbehaviour:
    def with_envelope(reply: Reply) -> Reply:
        if reply.envelope is not None:
            reply.envelope = change(reply.envelope)
        return reply

    return _changed(name, with_envelope)


# The connection


def close_connection() -> Misbehaviour:
    """No answer: the connection is closed."""
    return _instead("close_connection", lambda _: Reply(raw=b"", close=True))


def reset_connection() -> Misbehaviour:
    """No answer: the connection is reset."""
    return _instead("reset_connection", lambda _: Reply(abort=True))


def truncate(keep: int = 100) -> Misbehaviour:
    """The answer breaks off after `keep` bytes."""

    def change(reply: Reply) -> Reply:
        return Reply(raw=reply.to_bytes()[:keep], close=True)

    return replace(_changed("truncate", change), fails=True)


def close_after() -> Misbehaviour:
    """A proper answer, then the connection is closed without a word (CWMP-02)."""
    return _changed("close_after", lambda reply: replace(reply, close=True))


def connection_close() -> Misbehaviour:
    """A proper answer with `Connection: close` (CWMP-02)."""

    def change(reply: Reply) -> Reply:
        return replace(reply, headers=[*reply.headers, ("Connection", "close")])

    return _changed("connection_close", change)


def twice() -> Misbehaviour:
    """The same answer two times in a row."""
    return _changed("twice", lambda reply: replace(reply, times=2))


def slow_bytes(size: int = 1, pause: float = 0.01) -> Misbehaviour:
    """The answer drips: `size` bytes, then `pause` seconds."""

    def cut(whole: bytes) -> Iterable[bytes]:
        return (whole[place : place + size] for place in range(0, len(whole), size))

    return _changed("slow_bytes", lambda reply: replace(reply, cut=cut, pause=pause))


def chunked(size: int = 1) -> Misbehaviour:
    """The body in chunks of `size` bytes (CWMP-03)."""
    return _changed("chunked", lambda reply: replace(reply, chunk=size if reply.body else 0))


def wait_for(event: asyncio.Event) -> Misbehaviour:
    """The answer is worked out and sent only after the event."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        await event.wait()
        return await normal()

    return Misbehaviour("wait_for", answer)


# HTTP


def garbage(data: bytes = b"\x00\xff\x16\x03\x01 not HTTP at all\r\n\r\n") -> Misbehaviour:
    """Bytes that are not HTTP."""
    return _instead("garbage", lambda _: Reply(raw=data, close=True))


def html_page(status: int = 200) -> Misbehaviour:
    """An HTML page, as a captive portal or a proxy sends it."""
    page = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>Log in</body></html>"
    headers = [("Content-Type", "text/html; charset=utf-8")]
    return _instead("html_page", lambda _: Reply(status, list(headers), content=page))


def http_status(status: int, text: str = "") -> Misbehaviour:
    """A plain error such as 404 or 500."""
    headers = [("Content-Type", "text/plain")]
    return _instead("http_status", lambda _: Reply(status, list(headers), content=text.encode()))


def unavailable(retry_after: int | None = 60) -> Misbehaviour:
    """503, by default with Retry-After, as GenieACS answers under load (CWMP-08)."""
    headers = [] if retry_after is None else [("Retry-After", str(retry_after))]
    return _instead("unavailable", lambda _: Reply(503, list(headers)))


def invalid_session() -> Misbehaviour:
    """400 as GenieACS answers when it does not know the session cookie (CWMP-06)."""
    return _instead("invalid_session", lambda _: Reply(400, content=b"Invalid session"))


def unauthorized(challenge: str = 'Digest realm="lab", nonce="0", qop="auth"') -> Misbehaviour:
    """401 whatever the credentials (CWMP-08)."""
    headers = [("WWW-Authenticate", challenge)]
    return _instead("unauthorized", lambda _: Reply(401, list(headers)), fails=False, again=True)


def redirect(location: str, status: int = 302) -> Misbehaviour:
    """302 or 307 to the location (CWMP-07); to go round for ever use it `times=None`."""
    headers = [("Location", location)]
    return _instead("redirect", lambda _: Reply(status, list(headers)), fails=False, again=True)


def empty_200() -> Misbehaviour:
    """200 with a body of no bytes where 204 would stand (CWMP-03)."""

    def change(reply: Reply) -> Reply:
        return replace(reply, status=200) if reply.status == 204 else reply

    return _changed("empty_200", change)


def cookies(values: dict[str, str]) -> Misbehaviour:
    """A proper answer that sets more cookies (CWMP-06)."""
    more = [("Set-Cookie", f"{name}={value}; Path=/") for name, value in values.items()]
    return _changed("cookies", lambda reply: replace(reply, headers=reply.headers + more))


# SOAP


def bad_xml() -> Misbehaviour:
    """An envelope that breaks off in the middle, with a Content-Length that fits."""

    def change(reply: Reply) -> Reply:
        return replace(reply, envelope=None, content=reply.body[: len(reply.body) * 2 // 3])

    return replace(_changed("bad_xml", change), fails=True)


def doctype() -> Misbehaviour:
    """An envelope with a DTD whose entities would grow without end (CWMP-16)."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'

    def change(reply: Reply) -> Reply:
        body = reply.body.replace(b"?>\n", b"?>\n" + bomb.encode(), 1)
        return replace(reply, envelope=None, content=body)

    return replace(_changed("doctype", change), fails=True)


def big_body(size: int = 5_000_000) -> Misbehaviour:
    """A proper envelope with `size` bytes of comment in it (CWMP-09)."""

    def change(reply: Reply) -> Reply:
        filling = b"<!--" + b"x" * size + b"-->"
        body = reply.body.replace(b"?>\n", b"?>\n" + filling, 1)
        return replace(reply, envelope=None, content=body)

    return _changed("big_body", change)


def wrong_id(value: str = "not-the-id-you-sent") -> Misbehaviour:
    """The answer carries another ID than the request (CWMP-13)."""
    return _envelope("wrong_id", lambda envelope: replace(envelope, id=value))


def soap_fault(code: int = 8005, text: str = "Retry request") -> Misbehaviour:
    """A fault instead of the answer; 8005 asks for the same message again (CWMP-20)."""

    def answer(incoming: Incoming) -> Reply:
        number = incoming.message.id if incoming.message else None
        return Reply(envelope=Envelope(soap.fault(code, text), number))

    return _instead("soap_fault", answer, fails=code != 8005, again=code == 8005)


def hold_requests(value: bool = True) -> Misbehaviour:
    """The HoldRequests header (CWMP-13); the ACS then watches that the CPE holds back."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        reply = await normal()
        if reply.envelope is not None:
            more = soap.header("cwmp:HoldRequests", "1" if value else "0")
            reply.envelope = replace(reply.envelope, headers=(*reply.envelope.headers, more))
            incoming.record.holding = value
        return reply

    return Misbehaviour("hold_requests", answer)


def soap_header(name: str, text: str, must_understand: bool = True) -> Misbehaviour:
    """One more SOAP header, e.g. cwmp:UseCWMPVersion (CWMP-12)."""
    more = soap.header(name, text, must_understand)
    return _envelope(
        "soap_header", lambda envelope: replace(envelope, headers=(*envelope.headers, more))
    )


def use_cwmp_version(version: str = "1.4") -> Misbehaviour:
    """The UseCWMPVersion header of CWMP 1.4 (CWMP-12)."""
    return replace(soap_header("cwmp:UseCWMPVersion", version), name="use_cwmp_version")


def unknown_header(must_understand: bool = True) -> Misbehaviour:
    """A header nobody knows; with mustUnderstand it asks for a SOAP fault (CWMP-13)."""
    found = soap_header("cwmp:X_LAB_Unheard", "1", must_understand)
    return replace(found, name="unknown_header")


_ODD = tuple(
    zip(("env", "enc", "xsd", "xsi", "cwmp"), ("S-1", "_e", "xs", "i", "v.w"), strict=True)
)


def odd_prefixes() -> Misbehaviour:
    """Unusual prefixes, one element per line, no XML declaration (CWMP-16)."""
    odd = Dialect(prefixes=_ODD, declaration="", indent=True)

    def change(envelope: Envelope) -> Envelope:
        return replace(envelope, dialect=replace(odd, cwmp=envelope.dialect.cwmp))

    return _envelope("odd_prefixes", change)


def default_namespace(space: str = "env") -> Misbehaviour:
    """The envelope (env) or the method (cwmp) in the default namespace (CWMP-16)."""
    prefixes = tuple((name, "" if name == space else name) for name, _ in _ODD)

    def change(envelope: Envelope) -> Envelope:
        return replace(envelope, dialect=replace(envelope.dialect, prefixes=prefixes))

    return _envelope("default_namespace", change)


def cwmp_namespace(uri: str = soap.CWMP_1_0) -> Misbehaviour:
    """The answer in another CWMP namespace (CWMP-11, CWMP-12)."""
    return _envelope(
        "cwmp_namespace",
        lambda envelope: replace(envelope, dialect=replace(envelope.dialect, cwmp=uri)),
    )


@dataclass
class _Rule:
    misbehaviour: Misbehaviour
    message: int | None
    method: str | None
    session: int | None
    cpe: str | None
    left: int | None

    def fits(self, incoming: Incoming) -> bool:
        return (
            self.left != 0
            and self.message in (None, incoming.index)
            and self.method in (None, incoming.method)
            and self.session in (None, incoming.session)
            and self.cpe in (None, incoming.cpe.key)
        )


class Script:
    """Which message is answered how; the first rule that fits wins, and is used up after `times`.

    `decide`, when set, is asked before the rules. `done` lists what was answered wrongly and when.
    """

    def __init__(self) -> None:
        self.decide: Callable[[Incoming], Misbehaviour | None] | None = None
        self.done: list[str] = []
        self._rules: list[_Rule] = []

    def on(
        self,
        misbehaviour: Misbehaviour,
        *,
        message: int | None = None,
        method: str | None = None,
        session: int | None = None,
        cpe: str | None = None,
        times: int | None = 1,
    ) -> "Script":
        """Answer like this the messages that fit all of what is given; `times=None`: for ever."""
        self._rules.append(_Rule(misbehaviour, message, method, session, cpe, times))
        return self

    def clear(self) -> None:
        """Behave from now on."""
        self._rules.clear()

    def __call__(self, incoming: Incoming) -> Misbehaviour | None:
        found = self.decide(incoming) if self.decide is not None else None
        if found is None:
            rule = next((rule for rule in self._rules if rule.fits(incoming)), None)
            if rule is None:
                return None
            if rule.left is not None:
                rule.left -= 1
            found = rule.misbehaviour
        self.done.append(f"{found.name} {incoming.session}.{incoming.index}")
        return found
