"""HTTP of one CWMP session: its messages, and what each leads to: another try, credentials, a
redirect (CWMP-02, CWMP-07, CWMP-08). What a step of a message takes is loaded for it:
`http_open`, `http_send`, `http_receive`.
"""

from micropython import const

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
        self.body_limit = body_limit
        self.allow_basic = allow_basic
        self.username = username
        self.password = password
        self.digest = None  # the challenge, once the server asked for it
        self.basic = None
        self.cookies = {}
        self.untouched = True  # nothing was sent: a prepared request is what we would build
        self.sending = False
        self.unload = None  # called when nothing of `http_send` and `http_receive` is in use

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
            failure = HttpFailure(borrow("runtime.http_reason").reason(error, self))
        except BaseException:  # cancelled
            self.drop()
            raise
        raise failure

    async def _post(self, body, sink, prepared):
        refused = [0, 0]  # 401s, redirects
        retried = False
        while True:
            stream = self.stream
            if stream is not None and not stream.idle(self.buf):
                self.drop()  # closed by the peer between two messages: nothing was lost (CWMP-02)
                stream = None
            if stream is None:
                self.stream = await borrow("runtime.http_open").connect(self)
            if self.unload:
                self.unload()
            broken = None
            try:
                await self._send(body, prepared if self.untouched else None)
            except OSError as error:
                broken = error  # a server may close early; what it said before is still to be read
            if self.unload:
                self.unload()
            from .http_receive import receive, response  # noqa: PLC0415 - a slice

            reader = response(sink, self.body_limit)
            try:
                await receive(self, reader)
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

    async def _send(self, body, prepared):
        self.untouched = False
        self.sending = True
        self.stream.limit(self.response_ms)
        if prepared is not None:
            await self.stream.write(prepared)
        else:
            from .http_send import send  # noqa: PLC0415 - a slice

            await send(self, body)
        self.sending = False

    def drop(self):
        """Close the connection, if there is one."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
