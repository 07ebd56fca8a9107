"""HTTP of one CWMP session: POSTs, keep-alive, credentials, cookies, redirects (CWMP-01..09)."""

import asyncio

from micropython import const

from ..wire.http import ResponseReader
from ..wire.http_error import HttpError
from .slices import borrow

_BUFFER = const(1024)

# SOAPAction is empty, without quotes: CWMP asks for exactly that, SOAP stacks that insist on the
# header (Axis) take it, and servers that route by the XML alone (GenieACS, FreeACS) never look.
ENVELOPE = (("Content-Type", 'text/xml; charset="utf-8"'), ("SOAPAction", ""))


class HttpFailure(Exception):
    """The session has failed: `reason` for a log line, `status` or 0, `retry_after` s or None."""

    def __init__(self, reason, status=0, retry_after=None):
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class HttpClient:
    """One per session: cookies, nonce, redirected URL, connection die with it. HttpError: bad URL.

    Build it before the bell rings: `post` then only looks up the address, connects and writes.
    `buffer` (bytearray) is the one read and write buffer, tls() gives the SSLContext when https
    wants it, or raises ValueError with the reason why there is none. Times in milliseconds:
    `response_ms` bounds the sending, the wait for the first byte and the rest of the response,
    each.
    """

    method = "POST"
    content = ENVELOPE  # headers of a message that has a body

    def __init__(
        self,
        url,
        username,
        password,
        resolver,
        buffer=None,
        tls=None,
        connect_ms=10000,
        response_ms=30000,
        body_limit=32768,
        allow_basic=False,
    ):
        self.url = borrow("wire.url").parse_url(url)
        self.resolver = resolver
        self.buf = bytearray(_BUFFER) if buffer is None else buffer
        self.tls = tls
        self.context = self.cnonce = self.stream = None
        self.connect_ms = connect_ms
        self.response_ms = response_ms
        self._body_limit = body_limit
        self.allow_basic = allow_basic
        self.username = username
        self.password = password
        self.digest = None  # the challenge, once the server asked for it
        self.basic = None
        self.cookies = {}
        self._untouched = True  # nothing was sent: a prepared request is what we would build
        self._sending = False

    async def post(self, body, sink, prepared=None):
        """POST `body` and return the final 2xx status. HttpFailure; the connection is closed then.

        `body` has `length` (0: an empty POST, None: sent chunked) and `chunks()`, bytes-like
        pieces, asked again for a resend. `sink()` gives a callable that takes the pieces of the
        answer's body (memoryviews into the buffer); it is called for a 2xx answer that has a body,
        never for one that is thrown away. `prepared`, of `prepared.py`, goes out as it is
        if nothing was sent in this session yet.
        """
        try:
            return await self._post(body, sink, prepared)
        except Exception as error:  # noqa: BLE001 - one kind of failure for the session
            self.drop()
            if isinstance(error, HttpFailure):
                raise
            failure = HttpFailure(self.reason(error))
        except BaseException:  # cancelled
            self.drop()
            raise
        raise failure

    async def close(self):
        """End the session's connection."""
        self.drop()

    async def _post(self, body, sink, prepared):
        refused = [0, 0]  # 401s, redirects
        retried = False
        into = None

        def take(view):
            nonlocal into
            if 200 <= reader.status < 300:
                into = into or sink()
                into(view)

        while True:
            stream = self.stream
            if stream is not None and not stream.idle(self.buf):
                self.drop()  # closed by the peer between two messages: nothing was lost (CWMP-02)
                stream = None
            if stream is None:
                self.stream = await borrow("runtime.http_open").connect(self)
            broken = None
            try:
                await self._send(body, prepared if self._untouched else None)
            except OSError as error:
                broken = error  # a server may close early; what it said before is still to be read
            reader = ResponseReader(take, self._body_limit)
            try:
                await self._receive(reader)
                if broken is not None:
                    self.drop()
            except (OSError, HttpError) as error:
                # A kept connection may die under the request: once, the session survives that.
                if stream is None or retried or reader.started:
                    raise broken or error
                retried = True
                self.drop()
                continue
            headers = reader.headers
            status = reader.status
            if "set-cookie" in headers:
                borrow("wire.cookies").keep(self.cookies, headers["set-cookie"])
            if 200 <= status < 300:
                return status
            borrow("runtime.http_refused").follow(self, reader, refused)

    def drop(self):
        """Close the connection, if there is one."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def reason(self, error):
        """Return in words what went wrong."""
        return borrow("runtime.http_reason").reason(error, self._sending and self.url[0])

    async def _send(self, body, prepared):
        self._untouched = False
        self._sending = True
        self.stream.limit(self.response_ms)
        if prepared is not None:
            await self.stream.write(prepared)
        else:
            from .http_send import send  # noqa: PLC0415 - a slice

            await send(self, body)
        self._sending = False

    async def _receive(self, reader):
        stream = self.stream
        buf = self.buf
        stream.limit(self.response_ms)
        while True:
            try:
                count = await stream.readinto(buf)
                if not reader.started:
                    stream.limit(self.response_ms)
                if count:
                    used = reader.feed(buf, 0, count)
                else:
                    reader.eof()
                refused = reader.head_complete and not 200 <= reader.status < 300
            except (OSError, HttpError):
                # The status of a refusal is known; what is wrong with its body does not matter.
                if not reader.head_complete or 200 <= reader.status < 300:
                    raise
                break
            if reader.complete:
                if reader.keep_alive and count and used == count:
                    return
                break
            if refused and (reader.until_close or reader.status not in (401, 302, 307)):
                break
            await asyncio.sleep_ms(0)  # a fast peer must not starve the other tasks
        self.drop()
