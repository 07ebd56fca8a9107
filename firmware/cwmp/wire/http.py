"""HTTP/1.1 as a client speaks it: request heads, a response reader (CWMP-03, CWMP-09)."""

from micropython import const

from .url import HttpError, parse_url  # noqa: F401 - parse_url is for those who use this module

_HEAD_MAX = const(4096)  # status, headers, chunk extensions, trailers: all of one response
_LINE_MAX = const(1024)
_DIGITS_MAX = const(8)  # of a chunk size

_HEAD = const(0)
_FIXED = const(1)  # a body of Content-Length bytes
_CLOSE = const(2)  # a body that ends with the connection
_SIZE = const(3)  # the line that starts a chunk
_CHUNK = const(4)
_CHUNK_END = const(5)
_TRAILER = const(6)
_DONE = const(7)

_LISTS = (b"www-authenticate", b"set-cookie")
_JOINED = (b"connection", b"content-length", b"transfer-encoding")
_FIRST = (b"location", b"retry-after", b"content-type")


def request_head(method, target, host, port, tls, headers, length):
    """Bytes of a request head; `headers`: `(name, value)` texts, `length` None: chunked body."""
    lines = [
        method + " " + target + " HTTP/1.1",
        "Host: " + host if port == (443 if tls else 80) else f"Host: {host}:{port}",
    ]
    for name, value in headers:
        lines.append(name + ": " + value if value else name + ":")
    if length is None:
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append(f"Content-Length: {length}")
    text = "\r\n".join(lines)
    # A user name or a cookie must not be able to start a header of its own.
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise HttpError("line break in header")
    return (text + "\r\n\r\n").encode()


def parse_cookie(value):
    """Split a Set-Cookie value into `(name, pair)`, pair being `name=value`; None: taken back."""
    parts = value.split(";")
    pair = parts[0].strip()
    name = pair.partition("=")[0].strip()
    if not name or "=" not in pair:
        raise HttpError("bad cookie")
    for part in parts[1:]:
        attribute, _, age = part.partition("=")
        age = age.strip()
        if attribute.strip().lower() == "max-age" and (age == "0" or age.startswith("-")):
            return name, None
    return name, pair


class ResponseReader:
    """Reads one response from pieces cut anywhere; body bytes go to `sink(memoryview)` (CWMP-03).

    `status` (0: not yet), `headers` (lower-case names, those we use; `www-authenticate` and
    `set-cookie` are lists of texts), `started`, `head_complete`, `until_close` (the body ends with
    the connection), `complete`, `keep_alive`. A sink of None drops the body. More than
    `body_limit` bytes of body: HttpError (CWMP-09).
    """

    def __init__(self, sink, body_limit):
        self.status = 0
        self.headers = {}
        self.started = False
        self.head_complete = False
        self.until_close = False
        self.complete = False
        self.keep_alive = False
        self._sink = sink
        self._room = body_limit  # body bytes that may still be announced
        self._budget = _HEAD_MAX
        self._state = _HEAD
        self._line = bytearray()  # the part of a head line that earlier pieces brought
        self._last = None  # the header kept last: a folded line continues it
        self._left = 0  # of the body or chunk; the size itself while it is read
        self._digits = 0
        self._skip = False

    def feed(self, buf, start, end):
        """Take bytes `start:end` of a bytearray; return the index of the first one left."""
        if start < end:
            self.started = True
        while start < end and not self.complete:
            state = self._state
            if state == _HEAD:
                start = self._feed_head(buf, start, end)
            elif state == _SIZE:
                start = self._feed_size(buf, start, end)
            elif state == _CHUNK_END:
                start = self._feed_chunk_end(buf, start)
            elif state == _TRAILER:
                start = self._feed_trailer(buf, start, end)
            else:
                start = self._feed_body(buf, start, end)
        return start

    def eof(self):
        """The peer closed: the end of an until-close body, else HttpError when truncated."""
        if self._state == _CLOSE:
            self._finish()
        elif not self.complete:
            raise HttpError("truncated")

    def _finish(self):
        self._state = _DONE
        self.complete = True

    def _spend(self, count):
        self._budget -= count
        if self._budget < 0:
            raise HttpError("head too large")

    # Head

    def _feed_head(self, buf, start, end):
        stop = buf.find(b"\n", start, end)
        if stop < 0:
            self._spend(end - start)
            self._line.extend(memoryview(buf)[start:end])
            if not self.status and len(self._line) > 4 and not self._line.startswith(b"HTTP/"):
                raise HttpError("not http")
            return end
        self._spend(stop - start + 1)
        line = bytes(memoryview(buf)[start:stop])
        if self._line:
            self._line.extend(line)
            line = bytes(self._line)
            self._line = bytearray()
        if line.endswith(b"\r"):
            line = line[:-1]
        if self.status:
            if line:
                self._header(line)
            else:
                self._head_end()
        elif line:  # blank lines before a status line are a known sin of old servers
            self._status_line(line)
        return stop + 1

    def _status_line(self, line):
        code = line[9:12]
        if len(line) > _LINE_MAX or not line.startswith(b"HTTP/1.") or not line[7:8].isdigit():
            raise HttpError("not http")
        if line[8:9] != b" " or line[12:13] not in (b"", b" "):
            raise HttpError("not http")
        if len(code) != 3 or not code.isdigit() or code < b"100":
            raise HttpError("not http")
        self.status = int(code)
        self.keep_alive = line[7] != 48  # HTTP/1.0 closes unless it says otherwise
        self.headers = {}
        self._last = None

    def _header(self, line):
        if line[0] in (9, 32):
            if self._last:
                values = self.headers[self._last]
                text = " " + _text(line)
                if isinstance(values, list):
                    values[-1] += text
                else:
                    self.headers[self._last] = values + text
            return
        at = line.find(b":")
        name = line[:at].lower()
        if at < 1 or b" " in name or b"\t" in name:
            raise HttpError("bad header")
        self._last = None
        many = name in _LISTS
        if len(line) > _LINE_MAX and not many:
            raise HttpError("header too long")
        joined = name in _JOINED
        if not many and not joined and name not in _FIRST:
            return
        key = name.decode()
        value = _text(line[at + 1 :])
        before = self.headers.get(key)
        if many:
            if before is None:
                before = self.headers[key] = []
            before.append(value)
        elif before is None:
            self.headers[key] = value
        elif joined:
            self.headers[key] = before + "," + value
        else:
            return
        self._last = key

    def _head_end(self):
        status = self.status
        if status < 200:
            if status == 101:
                raise HttpError("unasked upgrade")
            self.status = (
                0  # 100 Continue and its kind: the answer still comes, on the same budget
            )
            return
        self.head_complete = True
        headers = self.headers
        length = headers.get("content-length")
        coding = headers.get("transfer-encoding")
        for token in headers.get("connection", "").lower().split(","):
            token = token.strip()
            if token == "close":
                self.keep_alive = False
                break
            if token == "keep-alive":
                self.keep_alive = True
        if coding is not None:
            if length is not None:
                raise HttpError("two body lengths")
            if coding.lower() != "chunked":
                raise HttpError("unknown transfer coding")
        size = 0 if length is None else _length(length)
        if status in (204, 304):
            self._finish()
        elif coding is not None:
            self._state = _SIZE
        elif length is None:
            self._state = _CLOSE
            self.until_close = True
            self.keep_alive = False
        elif not size:
            self._finish()
        else:
            self._announce(size)
            self._left = size
            self._state = _FIXED

    # Body

    def _announce(self, size):
        self._room -= size
        if self._room < 0:
            raise HttpError("body too large")

    def _feed_body(self, buf, start, end):
        if self._state == _CLOSE:
            self._announce(end - start)
        else:
            if end - start > self._left:
                end = start + self._left
            self._left -= end - start
        if self._sink is not None:
            self._sink(memoryview(buf)[start:end])
        if self._state != _CLOSE and not self._left:
            if self._state == _CHUNK:
                self._state = _CHUNK_END
            else:
                self._finish()
        return end

    def _feed_size(self, buf, start, end):
        while start < end:
            byte = buf[start]
            start += 1
            if byte == 10:
                if not self._digits:
                    raise HttpError("bad chunk")
                self._digits = 0
                self._skip = False
                if self._left:
                    self._announce(self._left)
                    self._state = _CHUNK
                else:
                    self._state = _TRAILER
                return start
            if self._skip:  # an extension: paid from the head's budget
                self._spend(1)
                continue
            if 48 <= byte <= 57:
                digit = byte - 48
            elif 97 <= byte | 32 <= 102:
                digit = (byte | 32) - 87
            elif self._digits and byte in (9, 13, 32, 59):
                self._skip = True
                continue
            else:
                raise HttpError("bad chunk")
            self._digits += 1
            if self._digits > _DIGITS_MAX:
                raise HttpError("bad chunk")
            self._left = self._left * 16 + digit
            if self._left > self._room:
                raise HttpError("body too large")
        return start

    def _feed_chunk_end(self, buf, start):
        byte = buf[start]
        if byte == 13 and not self._skip:
            self._skip = True
        elif byte == 10:
            self._skip = False
            self._state = _SIZE
        else:
            raise HttpError("bad chunk")
        return start + 1

    def _feed_trailer(self, buf, start, end):
        # _skip: the current line holds something, so its end is not the end of the trailer.
        while start < end:
            byte = buf[start]
            start += 1
            if byte == 10:
                if not self._skip:
                    self._finish()
                    break
                self._skip = False
            elif byte != 13:
                self._skip = True
            self._spend(1)
        return start


def _text(raw):
    raw = raw.strip(b" \t")
    if raw and min(raw) < 0x20:
        for byte in raw:
            if byte < 0x20 and byte != 9:
                raise HttpError("bad header")
    try:
        return raw.decode()
    except ValueError:
        raise HttpError("bad header")


def _length(text):
    first = None
    for part in text.encode().split(b","):  # as bytes: digits of other scripts are no digits here
        part = part.strip()
        if len(part) > 10 or not part.isdigit() or (first is not None and part != first):
            raise HttpError("bad content-length")
        first = part
    return int(first)
