"""HTTP of one CWMP session: what is known from one message to the next. What a message takes is
loaded for it: `http_exchange`, `http_open`, `http_send`, `http_receive`.
"""

from micropython import const

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
        from .http_exchange import post  # noqa: PLC0415 - a slice

        return await post(self, body, sink, prepared)

    def drop(self):
        """Close the connection, if there is one."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
