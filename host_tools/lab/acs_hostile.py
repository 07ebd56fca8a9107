"""Answers that only malice, or a very broken server, gives: HTTP, chunks, XML and encodings taken
to extremes. Like `acs_faults`, each takes the place of one answer.

`FATAL`: no CPE may take them for an answer. `HARMLESS`: unusual, and to be taken. Where the
proper answer has no body one is made: a request for GetRPCMethods.
"""

import asyncio
import re
from collections.abc import Callable

from host_tools.lab import acs_faults, soap
from host_tools.lab.acs_faults import Incoming, Misbehaviour, Normal
from host_tools.lab.acs_http import Reply
from host_tools.lab.soap import Envelope, node

_BODY = b"<soap-env:Body>"
_BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'

Change = Callable[[bytes], bytes]
# Head of the answer without its end, and its body, to the bytes on the wire.
Wire = Callable[[bytes, bytes], bytes]


def _head(reply: Reply) -> bytes:
    lines = ["HTTP/1.1 200 OK", 'Content-Type: text/xml; charset="utf-8"']
    lines += [f"{name}: {value}" for name, value in reply.headers]
    return "\r\n".join(lines).encode() + b"\r\n"


def on_the_wire(name: str, wire: Wire, fatal: bool) -> Misbehaviour:
    """The answer as `wire` writes it; the connection is closed after a fatal one."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        reply = await normal()
        body = reply.body
        if not body:
            if not fatal:
                return reply
            body = Envelope(node("cwmp:GetRPCMethods"), "hostile").to_bytes()
        return Reply(raw=wire(_head(reply), body), close=fatal)

    return Misbehaviour(name, answer, fails=fatal)


def _sized(change: Change) -> Wire:
    def wire(head: bytes, body: bytes) -> bytes:
        body = change(body)
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    return wire


def _coded(code: Change) -> Wire:
    """Chunked; `code` writes the chunks."""
    return lambda head, body: head + b"Transfer-Encoding: chunked\r\n\r\n" + code(body)


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _into_body(more: bytes) -> Change:
    """`more` behind the start tag of the Body."""
    return lambda body: body.replace(_BODY, _BODY + more, 1)


def _before_root(more: bytes) -> Change:
    return lambda body: body.replace(b"?>\n", b"?>\n" + more, 1)


def _instead(old: bytes, new: bytes) -> Change:
    return lambda body: body.replace(old, new)


def _utf_16(body: bytes) -> bytes:
    return body.replace(b"UTF-8", b"UTF-16", 1).decode().encode("utf-16")


_HTTP: dict[str, Wire] = {
    "status-line-of-10k": lambda head, body: b"HTTP/1.1 200 " + b"x" * 10_000 + b"\r\n\r\n",
    "header-of-10k": lambda head, body: head + b"X: " + b"x" * 10_000 + b"\r\n\r\n",
    "headers-without-end": lambda head, body: head + b"X: y\r\n" * 5000,
    "length-is-no-number": lambda head, body: head + b"Content-Length: 1e3\r\n\r\n" + body,
    "length-negative": lambda head, body: head + b"Content-Length: -1\r\n\r\n" + body,
    "length-without-end": lambda head, body: head + b"Content-Length: %b\r\n\r\n" % (b"9" * 40),
    "two-lengths": lambda head, body: (
        head + b"Content-Length: 5\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    ),
    "length-too-great": lambda head, body: (
        head + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body
    ),
    "unknown-coding": lambda head, body: head + b"Transfer-Encoding: gzip\r\n\r\n" + body,
    "http-9": lambda head, body: b"HTTP/9.9 200 OK\r\n\r\n" + body,
    "status-without-digits": lambda head, body: b"HTTP/1.1 abc OK\r\n\r\n" + body,
    "only-line-ends": lambda head, body: b"\r\n" * 5000,
    "chunk-size-without-end": _coded(lambda body: b"f" * 5000),
    "chunk-size-huge": _coded(lambda body: b"fffffffffffffffff\r\n" + body),
    "chunk-size-negative": _coded(lambda body: b"-5\r\n" + body),
    "chunk-size-missing": _coded(lambda body: b"\r\n" + body),
    "chunk-size-no-number": _coded(lambda body: b"0x10\r\n" + body),
    "chunk-too-long": _coded(lambda body: b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 1, body)),
    "chunk-extension-without-end": _coded(lambda body: b"5;" + b"x" * 10_000),
    "chunks-without-end": _coded(_chunk),
    "trailers-without-end": _coded(lambda body: _chunk(body) + b"0\r\n" + b"X: y\r\n" * 5000),
}
_XML: dict[str, Change] = {
    "deep": _into_body(b"<a>" * 5000),
    "deep-in-a-method": lambda body: re.sub(
        rb"(<soap-env:Body>\s*<[^>]+>)", rb"\1" + b"<a>" * 5000, body, count=1
    ),
    "text-of-20k": _into_body(b"<a>" + b"x" * 20_000 + b"</a>"),
    "tag-of-5k": _into_body(b'<a b="' + b"x" * 5000 + b'"/>'),
    "name-of-1k": _into_body(b"<" + b"n" * 1000 + b"/>"),
    "attributes-100": _into_body(
        b"<a" + b"".join(b' a%d="1"' % number for number in range(100)) + b"/>"
    ),
    "namespaces-400": _into_body(
        b"".join(
            b"<a" + b"".join(b' xmlns:n%d_%d="u"' % (level, one) for one in range(20)) + b">"
            for level in range(20)
        )
    ),
    "entity-bomb": _before_root(_BOMB),
    "external-dtd": _before_root(b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">\n'),
    "dtd-inside": _into_body(b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]>'),
    "unknown-entity": _into_body(b"<a>&xxe;</a>"),
    "character-0": _into_body(b"<a>&#0;</a>"),
    "soap-1-2": _instead(soap.ENV.encode(), b"http://www.w3.org/2003/05/soap-envelope"),
    "cwmp-2-0": _instead(b"cwmp-1-2", b"cwmp-2-0"),
    "no-namespace": _instead(b' xmlns:cwmp="', b' xmlns:other="'),
    "utf-16": _utf_16,
    "latin-1": _instead(b"UTF-8", b"ISO-8859-1"),
    "not-utf-8": _into_body(b"<a>\xe9t\xe9</a>"),
    "nul": _into_body(b"<a>\0</a>"),
    "two-roots": lambda body: body + b"<Envelope/>",
    "two-methods": _into_body(b"<cwmp:GetRPCMethods/>"),
    "no-method": lambda body: body[: body.index(_BODY)] + b"<soap-env:Body/></soap-env:Envelope>",
    "no-body": lambda body: body[: body.index(_BODY)] + b"</soap-env:Envelope>",
    "cut-in-a-tag": lambda body: body[: len(body) - 5],
    "id-of-1k": lambda body: body.replace(b"</cwmp:ID>", b"i" * 1000 + b"</cwmp:ID>", 1),
}
_ODD_HTTP: dict[str, Wire] = {
    "chunk-sizes-with-zeros-and-extensions": _coded(
        lambda body: b'000%X;a="b;c"\r\n%b\r\n000\r\nX-Trailer: 1\r\n\r\n' % (len(body), body)
    ),
    "headers-folded-into-odd-case": lambda head, body: (
        (head.replace(b"Content-Type", b"cONTENT-tYPE") + b"content-LENGTH:%d\r\n\r\n" % len(body))
        + body
    ),
}
_ODD_XML: dict[str, Change] = {
    "byte-order-mark": lambda body: b"\xef\xbb\xbf" + body,
    "comment-of-20k": _before_root(b"<!--" + b"x" * 20_000 + b"-->"),
    "instructions-and-comments": _before_root(b"<?a b?><!-- <!DOCTYPE x> -->" * 20),
    "cdata": lambda body: body.replace(b"MaxEnvelopes>1<", b"MaxEnvelopes><![CDATA[1]]><", 1),
}

FATAL = {
    name: on_the_wire(name, wire, True)
    for name, wire in (_HTTP | {name: _sized(change) for name, change in _XML.items()}).items()
}
HARMLESS = {
    name: on_the_wire(name, wire, False)
    for name, wire in (
        _ODD_HTTP | {name: _sized(change) for name, change in _ODD_XML.items()}
    ).items()
}


def cut(part: float) -> Misbehaviour:
    """The answer breaks off after this part of it, 0 to 1; never the whole."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        whole = (await normal()).to_bytes()
        return Reply(raw=whole[: min(int(len(whole) * part), len(whole) - 1)], close=True)

    return Misbehaviour(f"cut-at-{part:g}", answer, fails=True)


def other_method(method: str = "InformResponse") -> Misbehaviour:
    """An envelope that answers nothing that was asked."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        await normal()
        number = incoming.message.id if incoming.message else "1"
        return Reply(envelope=Envelope(node(f"cwmp:{method}"), number))

    return Misbehaviour("other-method", answer, fails=True)


def silent(over: asyncio.Event) -> Misbehaviour:
    """No answer at all; the connection stays until the event."""

    async def answer(incoming: Incoming, normal: Normal) -> Reply:
        await over.wait()
        return Reply(raw=b"", close=True)

    return Misbehaviour("silence", answer, fails=True)


# What a network does, or a server that is restarted.
BROKEN = {
    "closed": acs_faults.close_connection(),
    "reset": acs_faults.reset_connection(),
    "cut-in-the-head": cut(0.05),
    "cut-in-the-middle": cut(0.6),
    "cut-before-the-last-byte": cut(1),
    "status-500": acs_faults.http_status(500),
    "status-503": acs_faults.unavailable(None),
    "invalid-session": acs_faults.invalid_session(),
    "garbage": acs_faults.garbage(),
    "html": acs_faults.html_page(),
    "other-method": other_method("TransferCompleteResponse"),
    "fault-8002": acs_faults.soap_fault(8002, "busy"),
}
TOLERATED = {
    "close-after": acs_faults.close_after(),
    "connection-close": acs_faults.connection_close(),
    "twice": acs_faults.twice(),
    "chunked-1": acs_faults.chunked(1),
    "slow": acs_faults.slow_bytes(200, 0.002),
    "wrong-id": acs_faults.wrong_id(),
    "odd-prefixes": acs_faults.odd_prefixes(),
}
