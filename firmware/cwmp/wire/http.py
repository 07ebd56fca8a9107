"""Reads responses of HTTP/1.1; `http_head.py` has the heads (CWMP-03, CWMP-09)."""

from micropython import const

from .http_error import HttpError

_HEAD_MAX = const(4096)  # status, headers, chunk extensions, trailers: all of one response


class ResponseReader:
    """Reads one response from pieces cut anywhere; body bytes go to `sink(memoryview)` (CWMP-03).

    `status` (0: not yet), `headers` (lower-case names, those we use; `www-authenticate` and
    `set-cookie` are lists of texts), `started`, `head_complete`, `until_close` (the body ends with
    the connection), `complete`, `keep_alive`. A sink of None drops the body. More than
    `body_limit` bytes of body: HttpError (CWMP-09).
    """

    def __init__(self, sink, body_limit):
        from .http_head import lines  # noqa: PLC0415 - a slice

        self.status = self.left = 0  # left: of the body or chunk; 0 while lines are read
        self.started = self.head_complete = self.until_close = False
        self.complete = self.keep_alive = False
        self.headers = {}
        self.sink = sink
        self.room = body_limit  # body bytes that may still be announced
        self.budget = _HEAD_MAX
        self.on_line = lines(self)  # takes a line; None: all lines were read
        self._line = bytearray()  # the part that earlier pieces brought

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
