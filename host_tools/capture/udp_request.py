"""One UDP Connection Request, checked field by field against UCR-01 ... UCR-15."""

import re
from dataclasses import dataclass, field
from typing import Literal

from host_tools.lab.udp_request import KEYS, MAX_DATAGRAM, MAX_TEXT, decoded, is_signature

Mark = Literal["ok", "lenient", "wrong", "unchecked", "note"]
_NAMED = re.compile(rb"(?:^|[?&\s])(ts|id|un|cn|sig)=")
_REQUEST_LINE = re.compile(rb"[A-Za-z]{2,12} \S*(?: HTTP/\d|$)")
_HEADER = re.compile(rb"([!#-'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|$)")
_AUTHORITY = re.compile(
    rb"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*@)?"
    rb"(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::(\d*))?"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: requirement id, verdict, plain words."""

    id: str
    mark: Mark
    text: str


@dataclass(slots=True)
class Parsed:
    """A datagram taken apart; `fields` holds the raw bytes of each name, first occurrence."""

    raw: bytes
    checks: list[Check] = field(default_factory=list)
    authority: str = ""
    fields: dict[str, bytes] = field(default_factory=dict)

    @property
    def well_formed(self) -> bool:
        return not any(check.mark == "wrong" for check in self.checks)

    @property
    def strict(self) -> bool:
        """Well formed also for a CPE with the strict profile (UCR-07)."""
        return not any(check.mark in ("wrong", "lenient") for check in self.checks)

    def add(self, requirement: str, mark: Mark, text: str) -> None:
        self.checks.append(Check(requirement, mark, text))

    def number(self, name: str) -> int | None:
        value = self.fields.get(name, b"")
        return int(value) if _digits(value) else None


def looks_like(payload: bytes) -> bool:
    """Whether a datagram on any port is meant as a Connection Request, malformed or not."""
    if len({match.group(1) for match in _NAMED.finditer(payload[:2048])}) >= 3:
        return True
    line = payload[:2048].split(b"\n", 1)[0].rstrip(b"\r")
    if line.startswith((b"M-SEARCH ", b"NOTIFY ")) or b" SIP/2.0" in line:
        return False
    return bool(_REQUEST_LINE.match(line)) and (b"HTTP/" in line or line.startswith(b"GET "))


def parse(payload: bytes, cut: bool = False) -> Parsed:
    """Take the datagram apart; every requirement looked at leaves a check."""
    parsed = Parsed(payload)
    if len(payload) > MAX_DATAGRAM:
        parsed.add("UCR-08", "wrong", f"{len(payload)} bytes; at most {MAX_DATAGRAM}")
    if cut:
        parsed.add("UCR-01", "unchecked", "the capture holds only the start of this datagram")
    line, newline, rest = payload.partition(b"\n")
    _request_line(parsed, line.removesuffix(b"\r"))
    _headers(parsed, line, newline, rest)
    _fields(parsed)
    return parsed


def _request_line(parsed: Parsed, line: bytes) -> None:
    words = line.split(b" ")
    if len(words) != 3:
        what = "empty datagram" if not parsed.raw else f"{len(words)} words, not 3"
        parsed.add("UCR-02", "wrong", f"request line: {what}")
        words = [*words, b"", b"", b""][:3]
    method, uri, version = words
    if method != b"GET":
        parsed.add("UCR-02", "wrong", f"method {_show(method)}, not GET")
    if version != b"HTTP/1.1":
        parsed.add("UCR-02", "wrong", f"version {_show(version)}, not HTTP/1.1")
    scheme, separator, rest = uri.partition(b"://")
    if not separator:
        parsed.add("UCR-02", "wrong", f"URI {_show(uri)} is not absolute")
        rest = uri
    elif scheme not in (b"http", b"HTTP"):
        parsed.add("UCR-02", "wrong", f"scheme {_show(scheme)}, not http")
    before, question, query = rest.partition(b"?")
    authority, slash, path = before.partition(b"/")
    _authority(parsed, authority)
    if path:
        parsed.add("UCR-02", "wrong", f"path {_show(slash + path)} is not empty")
    elif slash:
        parsed.add("UCR-07", "lenient", "path / instead of an empty one")
    if not question:
        parsed.add("UCR-02", "wrong", "no query")
    if b"#" in query:  # an ACS that does not encode un may send one
        parsed.add("UCR-02", "lenient", "a bare # in the query")
    if re.search(rb"[\x00-\x1f\x7f]", uri):
        parsed.add("UCR-02", "wrong", "control characters in the URI")
    if not any(check.id == "UCR-02" and check.mark == "wrong" for check in parsed.checks):
        parsed.add("UCR-02", "ok", "GET, absolute http URI, HTTP/1.1, empty path")
    _query(parsed, query)


def _authority(parsed: Parsed, authority: bytes) -> None:
    match = _AUTHORITY.fullmatch(authority)
    port = match.group(2) if match else None
    if not match or (port and int(port[:6]) > 65535):
        parsed.add("UCR-02", "wrong", f"authority {_show(authority)} is not host[:port]")
        return
    parsed.authority = authority.decode("ascii", "replace")
    parsed.add("UCR-06", "ok", f"authority {parsed.authority}: syntax only, never compared")
    if not port:
        parsed.add("UCR-02", "note", "no port: stands for port 80")


def _query(parsed: Parsed, query: bytes) -> None:
    seen: dict[str, int] = {}
    unknown = []
    for pair in query.split(b"&"):
        name, equals, value = pair.partition(b"=")
        text = name.decode("ascii", "replace")
        if text in KEYS and equals:
            seen[text] = seen.get(text, 0) + 1
            parsed.fields.setdefault(text, value)
        elif pair:
            unknown.append(_show(name))
    missing = [name for name in KEYS if name not in seen]
    if missing:
        parsed.add("UCR-03", "wrong", f"missing: {', '.join(missing)}")
    repeated = [name for name, count in seen.items() if count > 1]
    if repeated:
        parsed.add("UCR-05", "wrong", f"repeated: {', '.join(repeated)}")
    if not missing and not repeated:
        parsed.add("UCR-03", "ok", "ts, id, un, cn, sig each once")
        if tuple(seen) != KEYS:
            parsed.add("UCR-05", "ok", f"order {', '.join(seen)}: any order will do")
    if unknown:
        parsed.add("UCR-05", "note", f"unknown names ignored: {', '.join(unknown[:8])}")


def _headers(parsed: Parsed, line: bytes, newline: bytes, rest: bytes) -> None:
    found = re.search(rb"(?:^|\n)\r?\n", rest)
    head, body = (rest[: found.start()], rest[found.end() :]) if found else (rest, b"")
    if _CONTROL.search(head):
        parsed.add("UCR-01", "wrong", "control characters in the headers")
    names: dict[str, list[bytes]] = {}
    for text in head.split(b"\n"):
        text = text.removesuffix(b"\r")
        match = _HEADER.fullmatch(text)
        if match:
            names.setdefault(match.group(1).decode("ascii").lower(), []).append(match.group(2))
        elif text:
            parsed.add("UCR-01", "wrong", f"not a header: {_show(text)}")
    if not newline or not found:
        parsed.add("UCR-07", "lenient", "no blank line at the end")
    if newline and (b"\n" in re.sub(rb"\r\n", b"", line + newline + rest[: _end(found, rest)])):
        parsed.add("UCR-07", "lenient", "lines end with LF instead of CRLF")
    if "host" in names:
        parsed.add("UCR-04", "ok", "Host header is there")
    else:
        parsed.add("UCR-04", "lenient", "no Host header (expected, tolerated)")
    lengths = names.get("content-length", [])
    if body:
        parsed.add("UCR-01", "wrong", f"{len(body)} bytes of body; none allowed")
    if any(not _digits(length) or int(length) for length in lengths):
        parsed.add("UCR-01", "wrong", f"Content-Length {_show(lengths[0])}, not 0")
    if "transfer-encoding" in names:
        parsed.add("UCR-01", "wrong", "Transfer-Encoding announces a body")
    if not any(check.id == "UCR-01" for check in parsed.checks):
        parsed.add("UCR-01", "ok", "one request, no body")


def _end(found: re.Match[bytes] | None, rest: bytes) -> int:
    return found.end() if found else len(rest)


def _fields(parsed: Parsed) -> None:
    for name in ("ts", "id"):
        value = parsed.fields.get(name)
        if value is None:
            continue
        if not value.isdigit():
            parsed.add("UCR-03", "wrong", f"{name}={_show(value)} is not a decimal number")
        elif len(value) > 20:
            parsed.add("UCR-08", "wrong", f"{name} has {len(value)} digits; at most 20")
        elif value.startswith(b"0") and len(value) > 1:
            parsed.add("UCR-12", "note", f"{name} has leading zeros: the text keeps them")
    stamp = parsed.fields.get("ts", b"")
    if _digits(stamp) and 12 <= len(stamp) <= 14:
        parsed.add("UCR-09", "ok", "ts in milliseconds")
    for name in ("un", "cn"):
        value = parsed.fields.get(name)
        if value is None:
            continue
        if len(decoded(value)) > MAX_TEXT:
            parsed.add("UCR-08", "wrong", f"{name} is longer than {MAX_TEXT} bytes")
        if not value:
            parsed.add("UCR-15" if name == "un" else "UCR-03", "wrong", f"{name} is empty")
    sig = parsed.fields.get("sig")
    if sig is None:
        return
    if re.fullmatch(rb"[0-9A-Fa-f]{64}", sig):
        parsed.add("UCR-03", "wrong", "sig has 64 hex digits: HMAC-SHA256, not the standard's")
    elif not re.fullmatch(rb"[0-9A-Fa-f]{40}", sig):
        parsed.add("UCR-08", "wrong", f"sig {_show(sig)} is not 40 hex digits")


def signature(parsed: Parsed, password: str, username: str | None) -> None:
    """Add the checks that need ConnectionRequestPassword (UCR-11 ... UCR-15)."""
    if not password or username == "":
        parsed.add("UCR-15", "wrong", "an empty username or password authenticates nothing")
        return
    fields = parsed.fields
    if any(name not in fields for name in KEYS):
        return
    un, cn = decoded(fields["un"]), decoded(fields["cn"])
    texts = {"decoded": un + cn, "raw": fields["un"] + fields["cn"]}
    start = fields["ts"] + fields["id"]
    matching = [
        name for name, text in texts.items() if is_signature(fields["sig"], password, start + text)
    ]
    if not matching:
        parsed.add("UCR-11", "wrong", "signature wrong: HMAC-SHA1 over ts, id, un, cn differs")
        return
    encoded = texts["decoded"] != texts["raw"]
    how = f" (candidate: text over {matching[0]} values)" if encoded else ""
    parsed.add("UCR-11", "ok", f"signature right{how}")
    if encoded:
        _candidates(parsed, matching, un, username)
    elif username is not None and un != username.encode():
        parsed.add("UCR-14", "wrong", f"un is {_show(un)}, not {_show(username.encode())}")
    if username is None:
        parsed.add("UCR-14", "unchecked", "un not compared: give --username")
    elif not any(check.id == "UCR-14" for check in parsed.checks):
        parsed.add("UCR-14", "ok", "un is ConnectionRequestUsername")


def _candidates(parsed: Parsed, matching: list[str], un: bytes, username: str | None) -> None:
    """UCR-13: decoded un with either text, or raw un with the raw text."""
    allowed = {un: "decoded un"}
    if "raw" in matching:
        allowed[parsed.fields["un"]] = "raw un"
        parsed.add("UCR-13", "lenient", "signed over the raw values as they stand in the query")
    else:
        parsed.add("UCR-13", "ok", "signed over the decoded values")
    if username is None:
        return
    if username.encode() in allowed:
        parsed.add("UCR-14", "ok", f"{allowed[username.encode()]} is ConnectionRequestUsername")
    else:
        shown = " or ".join(_show(value) for value in allowed)
        parsed.add("UCR-14", "wrong", f"un is {shown}, not {_show(username.encode())}")


def _digits(value: bytes) -> bool:
    return value.isdigit() and len(value) <= 20


def _show(value: bytes, limit: int = 40) -> str:
    text = value[:limit].decode("ascii", "backslashreplace")
    return repr(text + ("..." if len(value) > limit else ""))
