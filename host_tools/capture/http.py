"""HTTP messages in a reassembled TCP connection, with their times and frames."""

import hashlib
import re
from dataclasses import dataclass, field

from host_tools.capture.streams import Connection, Direction, Run

_START = re.compile(rb"(?:HTTP/1\.[01] \d{3}[^\r\n]*|[A-Z]{3,10} [^ \r\n]+ HTTP/1\.[01])\r?\n")
_CHUNK = re.compile(rb"\s*([0-9A-Fa-f]{1,8})[^\n]{0,1000}\n")
_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_MAX_HEAD = 65536


@dataclass(slots=True)
class HttpMessage:
    """One request (method, target) or response (status, reason)."""

    start_ns: int
    end_ns: int
    start: int  # offsets in the direction's stream
    end: int
    frames: list[int]
    method: str = ""
    target: str = ""
    status: int = 0
    reason: str = ""
    version: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    problem: str | None = None  # why it is incomplete

    @property
    def is_request(self) -> bool:
        return bool(self.method)

    def header(self, name: str) -> str | None:
        lower = name.lower()
        return next((value for key, value in self.headers if key.lower() == lower), None)


@dataclass(slots=True)
class Exchange:
    """A request and its answer; either may be missing from the capture."""

    connection: Connection
    request: HttpMessage | None
    response: HttpMessage | None


def exchanges(connection: Connection) -> list[Exchange]:
    """Pair requests and responses of a connection in the order of time."""
    requests = messages(connection.to_server)
    responses = messages(connection.to_client, [request.method for request in requests])
    found: list[Exchange] = []
    for message in sorted(requests + responses, key=lambda entry: (entry.start_ns, entry.frames)):
        if message.is_request:
            found.append(Exchange(connection, message, None))
        elif 100 <= message.status < 200:
            continue
        elif found and found[-1].response is None:
            found[-1].response = message
        else:
            found.append(Exchange(connection, None, message))
    return found


def messages(direction: Direction, methods: list[str] | None = None) -> list[HttpMessage]:
    """All messages of one direction; `methods` of the requests tell answers to HEAD apart."""
    found: list[HttpMessage] = []
    for run in direction.runs:
        _parse_run(direction, run, found, methods or [])
    return found


def _parse_run(
    direction: Direction, run: Run, found: list[HttpMessage], methods: list[str]
) -> None:
    data = bytes(run.data)
    at = 0
    while at < len(data):
        match = _START.match(data, at)
        if not match:
            at = _next_start(run, data, at)
            continue
        final = sum(1 for message in found if not 100 <= message.status < 200)
        head_only = final < len(methods) and methods[final] == "HEAD"
        message, end = _message(data, match, head_only)
        end = max(end, match.end())
        message.start, message.end = run.start + at, run.start + end
        message.start_ns, message.end_ns = run.time_at(at), max(_times(run, at, end))
        message.frames = direction.frames(message.start, message.end)
        found.append(message)
        at = end


def _times(run: Run, start: int, end: int) -> list[int]:
    inside = [time for at, time in zip(run.starts, run.times, strict=True) if start <= at < end]
    return [*inside, run.time_at(start)]


def _next_start(run: Run, data: bytes, at: int) -> int:
    """The next piece that begins with a start line: where reading goes on after a hole."""
    for start in run.starts:
        if start > at and _START.match(data, start):
            return start
    return len(data)


def _message(data: bytes, match: re.Match[bytes], head_only: bool) -> tuple[HttpMessage, int]:
    message = HttpMessage(0, 0, 0, 0, [])
    words = match.group(0).decode("latin-1").strip().split(" ", 2)
    if words[0].startswith("HTTP/"):
        message.version, message.status = words[0], int(words[1][:3])
        message.reason = words[2] if len(words) > 2 else ""
    else:
        message.method, message.target, message.version = words
    blank = re.compile(rb"(?:^|\n)\r?\n").search(data, match.end() - 1, match.end() + _MAX_HEAD)
    if not blank:
        message.problem = "the capture lacks the end of its headers"
        return message, len(data)
    for line in data[match.end() : blank.start() + 1].split(b"\n"):
        name, colon, value = line.rstrip(b"\r").partition(b":")
        if colon:
            pair = name.decode("latin-1").strip(), value.decode("latin-1").strip()
            message.headers.append(pair)
    return _body(message, data, blank.end(), head_only)


def _body(message: HttpMessage, data: bytes, at: int, head_only: bool) -> tuple[HttpMessage, int]:
    if head_only or message.status in (204, 304) or 100 <= message.status < 200:
        return message, at
    if "chunked" in (message.header("Transfer-Encoding") or "").lower():
        return _chunked(message, data, at)
    length = message.header("Content-Length")
    if length is not None and length.isdigit() and len(length) < 12:
        message.body = data[at : at + int(length)]
        if len(message.body) < int(length):
            lacking = int(length) - len(message.body)
            message.problem = f"{lacking} of {length} bytes of its body are missing"
        return message, min(len(data), at + int(length))
    if length is not None:
        message.problem = f"Content-Length {length[:40]!r} makes no sense"
        return message, len(data)
    if message.is_request:
        return message, at
    message.body = data[at:]  # until the connection ends
    return message, len(data)


def _chunked(message: HttpMessage, data: bytes, at: int) -> tuple[HttpMessage, int]:
    parts: list[bytes] = []
    while match := _CHUNK.match(data, at):
        size = int(match.group(1), 16)
        if size == 0:
            end = re.compile(rb"(?:^|\n)\r?\n").search(data, match.end() - 1)
            message.body = b"".join(parts)
            return message, end.end() if end else len(data)
        if match.end() + size > len(data):
            break
        parts.append(data[match.end() : match.end() + size])
        at = match.end() + size
    message.body = b"".join(parts)
    message.problem = "its chunked body is incomplete or damaged"
    return message, len(data)


def parameters(header: str) -> dict[str, str]:
    """Parameters of a WWW-Authenticate or Authorization header, names in lower case."""
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(header[:4096])
    }


def digest_response(given: dict[str, str], method: str, password: str) -> str:
    """The response that RFC 2617 digest (MD5, MD5-sess; qop auth or none) asks for."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()

    first = md5(f"{given.get('username', '')}:{given.get('realm', '')}:{password}")
    if given.get("algorithm", "").lower() == "md5-sess":
        first = md5(f"{first}:{given.get('nonce', '')}:{given.get('cnonce', '')}")
    second = md5(f"{method}:{given.get('uri', '')}")
    middle = given.get("nonce", "")
    if given.get("qop"):
        middle += f":{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}"
    return md5(f"{first}:{middle}:{second}")
