"""HTTP/1.1 as a client speaks it: request heads, a response reader (CWMP-03, CWMP-09)."""

from micropython import const

from .http_error import HttpError

_HEAD_MAX = const(4096)  # status, headers, chunk extensions, trailers: all of one response
_LINE_MAX = const(1024)

# Headers that we use. The first two are kept as lists, the next three are joined, and of the
# others the first one counts.
_NAMES = (
    b"www-authenticate",
    b"set-cookie",
    b"connection",
    b"content-length",
    b"transfer-encoding",
    b"location",
    b"retry-after",
)


def request_head(method, target, host, port, tls, headers, length):
    """Bytes of a request head; `headers`: `(name, value)` texts, `length` None: chunked body."""
    if ":" in host:
        host = "[" + host + "]"
    lines = [
        method + " " + target + " HTTP/1.1",
        "Host: " + host if port == (443 if tls else 80) else f"Host: {host}:{port}",
    ]
    for name, value in headers:
        lines.append(name + ": " + value if value else name + ":")
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    text = "\r\n".join(lines)
    # A user name or a cookie must not be able to start a header of its own.
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise HttpError("line break in header")
    return (text + "\r\n\r\n").encode()


class ResponseReader:
    """Reads one response from pieces cut anywhere; body bytes go to `sink(memoryview)` (CWMP-03).

    `status` (0: not yet), `headers` (lower-case names, those we use; `www-authenticate` and
    `set-cookie` are lists of texts), `started`, `head_complete`, `until_close` (the body ends with
    the connection), `complete`, `keep_alive`. A sink of None drops the body. More than
    `body_limit` bytes of body: HttpError (CWMP-09).
    """

    def __init__(self, sink, body_limit):
        self.status = self.left = 0  # left: of the body or chunk; 0 while lines are read
        self.started = self.head_complete = self.until_close = False
        self.complete = self.keep_alive = False
        self.headers = {}
        self.sink = sink
        self.room = body_limit  # body bytes that may still be announced
        self.budget = _HEAD_MAX
        self.on_line = self._head  # takes a line; None: all lines were read
        self._line = bytearray()  # the part that earlier pieces brought
        self._last = None  # the header kept last: a folded line continues it

    def feed(self, buf, start, end):
        """Take bytes `start:end` of a bytearray; return the index of the first one left."""
        if start < end:
            self.started = True
        view = memoryview(buf)
        while start < end and not self.complete:
            left = self.left
            if left:
                stop = min(end, start + left)
                self.left = left = left - (stop - start)
                if not left and self.until_close:
                    self.announce(1)
                if self.sink:
                    self.sink(view[start:stop])
                self.complete = not left and self.on_line is None
            else:
                found = buf.find(b"\n", start, end) + 1
                stop = found or end
                self.budget -= stop - start
                if self.budget < 0:
                    raise HttpError("head too large")
                line = self._line
                line.extend(view[start:stop])
                if found:
                    self._line = bytearray()
                    self.on_line(bytes(line[: -2 if line.endswith(b"\r\n") else -1]))
                elif not self.status and len(line) > 4 and not line.startswith(b"HTTP/"):
                    raise HttpError("not http")
            start = stop
        return start

    def eof(self):
        """The peer closed: the end of an until-close body, else HttpError when truncated."""
        if self.until_close:
            self.complete = True
        elif not self.complete:
            raise HttpError("truncated")

    def announce(self, size):
        """Body of this many bytes is to come."""
        self.room -= size
        if self.room < 0:
            raise HttpError("body too large")

    def _head(self, line):
        if self.status:
            if line:
                self._header(line)
            else:
                self._head_end()
            return
        if not line:  # blank lines before a status line are a known sin of old servers
            return
        code = line[9:12]
        if (
            len(line) > _LINE_MAX
            or not line.startswith(b"HTTP/1.")
            or not line[7:8].isdigit()
            or line[8:9] != b" "
            or line[12:13] not in b" "
            or len(code) != 3
            or not code.isdigit()
            or code < b"100"
        ):
            raise HttpError("not http")
        self.status = int(code)
        self.keep_alive = line[7] != 48  # HTTP/1.0 closes unless it says otherwise
        self.headers = {}
        self._last = None

    def _header(self, line):
        headers = self.headers
        name, colon, value = line.partition(b":")
        name = name.lower()
        folded = line[0] in b" \t"
        if folded:
            value = line
            key = self._last
        elif not colon or not name or b" " in name or b"\t" in name:
            raise HttpError("bad header")
        else:
            kind = _NAMES.index(name) if name in _NAMES else 9
            if len(line) > _LINE_MAX and kind > 1:
                raise HttpError("header too long")
            key = self._last = name.decode() if kind < 9 else None
        if key is None:
            return
        try:
            value = value.strip(b" \t")
            if min(value.replace(b"\t", b" ") or b" ") < 0x20:
                raise ValueError
            value = value.decode()
        except ValueError:
            raise HttpError("bad header")
        before = headers.get(key)
        if folded:
            if isinstance(before, list):
                before[-1] += " " + value
            else:
                headers[key] += " " + value
        elif kind < 2:
            headers[key] = (before or []) + [value]
        elif before is None:
            headers[key] = value
        elif kind < 5:
            headers[key] = before + "," + value
        else:
            self._last = None

    def _head_end(self):
        if self.status < 200:
            if self.status == 101:
                raise HttpError("unasked upgrade")
            self.status = 0  # 100 Continue and its kind: the answer comes, on the same budget
            return
        self.head_complete = True
        length = self.headers.get("content-length")
        coding = self.headers.get("transfer-encoding")
        tokens = [t.strip() for t in self.headers.get("connection", "").lower().split(",")]
        if "close" in tokens or "keep-alive" in tokens:
            self.keep_alive = "close" not in tokens
        size = None
        if length is not None:
            # As bytes: digits of other scripts are no digits here.
            sizes = [part.strip() for part in length.encode().split(b",")]
            size = sizes[0]
            if len(size) > 10 or not size.isdigit() or sizes.count(size) != len(sizes):
                raise HttpError("bad content-length")
            size = int(size)
        if coding is not None:
            if size is not None:
                raise HttpError("two body lengths")
            if coding.lower() != "chunked":
                raise HttpError("unknown transfer coding")
        self.on_line = None
        if self.status in (204, 304) or size == 0:
            self.complete = True
        elif coding is not None:
            from .http_chunks import lines  # noqa: PLC0415 - many an ACS sends none

            self.on_line = lines(self)
        elif size is None:
            self.until_close = True
            self.keep_alive = False
            self.left = self.room + 1
            self.room = 0
        else:
            self.announce(size)
            self.left = size
