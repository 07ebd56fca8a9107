"""UDP Connection Requests as ACSs send them, and a second opinion on what a CPE should accept.

Written against the standard and against the behaviour of deployed ACSs, without sharing code with
the firmware.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote_plus, unquote_to_bytes

KEYS = ("ts", "id", "un", "cn", "sig")
MAX_DATAGRAM = 1472  # what one unfragmented Ethernet frame carries; the CPE reads no more (UCR-08)
MAX_TEXT = 256  # bytes of un and of cn, decoded (UCR-08)

_DIGITS = re.compile(rb"[0-9]{1,20}")
_SIGNATURE = re.compile(rb"[0-9A-Fa-f]{40}")
# RFC 3986 without userinfo, which no http URI has (RFC 7230 2.7.1); a port is looked at for its
# range only.
_AUTHORITY = re.compile(
    rb"(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::0*([0-9]{0,5}))?"
)
_NOT_IN_URI = re.compile(rb"[\x00-\x20\x7f]")
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HEADER = re.compile(rb"([^\x00-\x20\x7f:]+):([^\x00-\x08\x0a-\x1f]*)")
_ZERO = re.compile(rb"[ \t]*0+[ \t]*")


@dataclass(frozen=True)
class Style:
    """How one kind of sender writes its datagram; the defaults are the standard's form."""

    name: str
    about: str
    scheme: str = "http"
    path: str = ""
    order: tuple[str, ...] = KEYS
    extra: tuple[tuple[str, str], ...] = ()
    encode_un: bool = True  # form-urlencode `un` (and `cn`) on the wire
    sign_wire: bool = False  # sign the text as it stands on the wire, not the decoded one
    upper_sig: bool = False
    host: bool = True
    headers: tuple[str, ...] = ()
    end: str = "\r\n"
    blank_line: bool = True
    milliseconds: bool = False  # unit of a `ts` made up by `fresh`
    decimal_cn: bool = False


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style("spec", "the standard's form: un form-urlencoded, Host, closing blank line"),
        Style("genieacs", "un as it is, without encoding; lower-case hex", encode_un=False),
        Style(
            "freeacs",
            "'/' path, no Host, ts in milliseconds, upper-case hex, negative decimal cn",
            path="/",
            host=False,
            upper_sig=True,
            milliseconds=True,
            decimal_cn=True,
        ),
        Style(
            "bare",
            "request line only, no header, no blank line; upper-case hex",
            host=False,
            blank_line=False,
            upper_sig=True,
        ),
        Style("reversed", "sig first, ts last", order=KEYS[::-1]),
        Style(
            "wire-signed", "un encoded, and the encoded text is what was signed", sign_wire=True
        ),
        Style("upper-scheme", "HTTP:// in capitals", scheme="HTTP"),
        Style("lf", "LF line ends", end="\n"),
        Style("extra-keys", "unknown keys before and between", extra=(("v", "2"), ("x", "a%26b"))),
        Style("content-length", "with Content-Length: 0", headers=("Content-Length: 0",)),
    )
}


@dataclass(frozen=True)
class Signed:
    """One datagram and how it was signed: the text that went into the HMAC and the hex digest."""

    datagram: bytes
    text: bytes
    sig: str


@dataclass(frozen=True)
class Parsed:
    """The five values as they stood in the query; `lenient` lists what a strict CPE refuses."""

    ts: bytes
    id: bytes
    un: bytes
    cn: bytes
    sig: bytes
    authority: bytes
    lenient: tuple[str, ...] = ()


def style_of(style: str | Style) -> Style:
    """Return the style of that name; ValueError names the known ones."""
    if isinstance(style, Style):
        return style
    try:
        return STYLES[style]
    except KeyError:
        raise ValueError(f"unknown style {style!r}; known: {', '.join(STYLES)}") from None


def fresh(style: str | Style = "spec") -> tuple[int, int, str]:
    """Return (ts, id, cn) for a new request: now, 32 random bits, random text (UCR-03)."""
    shape = style_of(style)
    ts = time.time_ns() // (1_000_000 if shape.milliseconds else 1_000_000_000)
    # 63 bits and a minus sign: how a signed Java long looks when it is negative.
    cn = f"-{secrets.randbits(63)}" if shape.decimal_cn else secrets.token_hex(8)
    return ts, secrets.randbits(32), cn


def signature(password: str, text: bytes) -> str:
    """Return the lower-case hex HMAC-SHA1 of `text` under the password (UCR-11)."""
    return hmac.new(password.encode(), text, hashlib.sha1).hexdigest()


def is_signature(sig: bytes, password: str, text: bytes) -> bool:
    """Say whether `sig` is that of `text`, in hex digits of either case (UCR-11)."""
    return hmac.compare_digest(signature(password, text).encode(), sig.lower())


def decoded(value: bytes) -> bytes:
    """Return a form-urlencoded value decoded; a % that starts no escape stays (UCR-13)."""
    return unquote_to_bytes(value.replace(b"+", b" "))


def compose(
    username: str,
    password: str,
    host: str,
    port: int,
    ts: int | str,
    id: int | str,
    cn: str,
    style: str | Style = "spec",
) -> Signed:
    """Build one UDP Connection Request to `host:port` (UCR-01..04, UCR-11).

    Strings for `ts` and `id` keep leading zeros. ValueError when the style cannot carry a value.
    """
    shape = style_of(style)
    wire_un, wire_cn = username, cn
    if shape.encode_un:
        wire_un, wire_cn = quote_plus(username), quote_plus(cn)
    for what, value in (("un", wire_un), ("cn", wire_cn), ("ts", str(ts)), ("id", str(id))):
        if re.search(r"[\s&#\x00-\x1f]", value):
            raise ValueError(f"{what} needs encoding, which a {shape.name} sender does not do")
    signed_un, signed_cn = (wire_un, wire_cn) if shape.sign_wire else (username, cn)
    text = f"{ts}{id}{signed_un}{signed_cn}".encode()
    sig = signature(password, text)
    if shape.upper_sig:
        sig = sig.upper()
    values = {"ts": str(ts), "id": str(id), "un": wire_un, "cn": wire_cn, "sig": sig}
    pairs = list(shape.extra[:1]) + [(key, values[key]) for key in shape.order]
    pairs[3:3] = shape.extra[1:]
    query = "&".join(f"{key}={value}" for key, value in pairs)
    lines = [f"GET {shape.scheme}://{host}:{port}{shape.path}?{query} HTTP/1.1"]
    if shape.host:
        lines.append(f"Host: {host}:{port}")
    lines.extend(shape.headers)
    if shape.blank_line:
        lines.append("")
    return Signed("".join(line + shape.end for line in lines).encode(), text, sig)


def build(
    username: str,
    password: str,
    host: str,
    port: int,
    ts: int | str,
    id: int | str,
    cn: str,
    style: str | Style = "spec",
) -> bytes:
    """Like `compose`, the datagram alone."""
    return compose(username, password, host, port, ts, id, cn, style).datagram


def in_order(order: tuple[str, ...], style: str | Style = "spec") -> Style:
    """Return the style with its keys in another order (X1: any of the 120)."""
    return replace(style_of(style), order=order)


def parse(datagram: bytes) -> Parsed:
    """Read a datagram by the lenient profile (UCR-01..09); ValueError says what is wrong."""
    if len(datagram) > MAX_DATAGRAM:
        raise ValueError("datagram too long")
    lenient: list[str] = []
    line, authority, query = _request_line(datagram, lenient)
    values: dict[bytes, bytes] = {}
    for pair in query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if _NO_ESCAPE.search(value):
            lenient.append("a % that starts no escape")
        if key.decode("ascii", "replace") not in KEYS:
            continue
        if key in values:
            raise ValueError(f"{key.decode()} given twice")
        values[key] = value
    missing = [key for key in KEYS if key.encode() not in values]
    if missing:
        raise ValueError(f"{missing[0]} missing")
    _headers(datagram[len(line) :], lenient)
    found = [values[key.encode()] for key in KEYS]
    ts, number, un, cn, sig = found
    if not _DIGITS.fullmatch(ts) or not _DIGITS.fullmatch(number):
        raise ValueError("ts and id are 1 to 20 decimal digits")
    if not _SIGNATURE.fullmatch(sig):
        raise ValueError("sig is 40 hex digits")
    for what, text in (("un", un), ("cn", cn)):
        if not text:
            raise ValueError(f"{what} is empty")
        if len(decoded(text)) > MAX_TEXT:
            raise ValueError(f"{what} is longer than {MAX_TEXT} bytes")
    return Parsed(ts, number, un, cn, sig, authority, tuple(lenient))


def verify(datagram: bytes, username: str, password: str, strict: bool = False) -> bool:
    """Say whether a CPE with these credentials should take the datagram as genuine (UCR-11..15).

    Freshness is not looked at: that needs the history.
    """
    if not username or not password:
        return False
    try:
        request = parse(datagram)
    except ValueError:
        return False
    if strict and request.lenient:
        return False
    want = username.encode()
    return any(
        un == want and is_signature(request.sig, password, text)
        for un, text in _readings(request, strict)
    )


def _readings(request: Parsed, strict: bool) -> Iterator[tuple[bytes, bytes]]:
    """Yield (username, signed text) by each way senders are known to encode (UCR-13)."""
    front = request.ts + request.id
    sent = front + request.un + request.cn
    if not strict:
        yield request.un, sent
    if not _NO_ESCAPE.search(request.un + b"&" + request.cn):  # else nobody meant it to be decoded
        un = decoded(request.un)
        yield un, front + un + decoded(request.cn)
        if not strict:
            yield un, sent


def _request_line(datagram: bytes, lenient: list[str]) -> tuple[bytes, bytes, bytes]:
    line, mark, _ = datagram.partition(b"\n")
    parts = _without_cr(line, mark, lenient).split(b" ")
    if len(parts) != 3 or parts[0] != b"GET" or parts[2] != b"HTTP/1.1":
        raise ValueError("not a GET request of HTTP/1.1")
    uri = parts[1]
    if not uri.startswith((b"http://", b"HTTP://")) or _NOT_IN_URI.search(uri):
        raise ValueError("not an absolute http URI")
    front, question, query = uri[7:].partition(b"?")
    if not question:
        raise ValueError("no query")
    authority, slash, path = front.partition(b"/")
    if path:
        raise ValueError("path is not empty")
    if slash:
        lenient.append("path '/'")
    match = _AUTHORITY.fullmatch(authority)
    if not match or int(match[1] or 0) > 65535:
        raise ValueError("bad authority")
    return line + mark, authority, query


def _headers(rest: bytes, lenient: list[str]) -> None:
    """Check what follows the request line: header lines, the blank line, no body."""
    seen: set[bytes] = set()
    while rest:
        line, mark, rest = rest.partition(b"\n")
        line = _without_cr(line, mark, lenient)
        if mark and not line:
            if rest:
                raise ValueError("a body")
            break
        header = _HEADER.fullmatch(line)
        if not header:
            raise ValueError("bad header line")
        name = header[1].lower()
        seen.add(name)
        if name == b"content-length" and not _ZERO.fullmatch(header[2]):
            raise ValueError("a body announced")
    else:
        lenient.append("no blank line")
    if b"host" not in seen:
        lenient.append("no Host")


def _without_cr(line: bytes, mark: bytes, lenient: list[str]) -> bytes:
    """Return the line without its CR; `mark` is the LF that ended it, if one did."""
    if not mark:
        lenient.append("no line end")
    elif line.endswith(b"\r"):
        return line[:-1]
    else:
        lenient.append("LF line ends")
    return line
