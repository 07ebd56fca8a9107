"""HTTP of one CWMP session: POSTs, keep-alive, credentials, cookies, redirects (CWMP-01..09)."""

import asyncio
import errno
import os
from binascii import hexlify

from micropython import const

from cwmp.runtime.stream import open_stream
from cwmp.wire.http import HttpError, ResponseReader, parse_cookie, parse_url, request_head

_BUFFER = const(1024)
_REDIRECTS_MAX = const(5)
_COOKIES_MAX = const(8)
_COOKIE_BYTES_MAX = const(2048)
_FRAME = const(6)  # "03f9\r\n" before a chunk
_LAST_FRAME = const(7)  # "\r\n0\r\n\r\n" after the last one

# SOAPAction is empty, without quotes: CWMP asks for exactly that, SOAP stacks that insist on the
# header (Axis) take it, and servers that route by the XML alone (GenieACS, FreeACS) never look.
_ENVELOPE = (("Content-Type", 'text/xml; charset="utf-8"'), ("SOAPAction", ""))

_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENOMEM: "out of memory",
    32: "closed",  # EPIPE, which the errno module lacks
}


class HttpFailure(Exception):
    """The session has failed: `reason` for a log line, `status` or 0, `retry_after` s or None."""

    def __init__(self, reason, status=0, retry_after=None):
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


def prepare(url, body):
    """Bytes of a complete envelope POST to `url`, for `HttpClient.post(prepared=...)`. HttpError.

    They hold the host and target of `url`, no credentials and no cookie: good for the first
    request of any session until the ACS URL or the envelope changes. All of it lies in memory.
    """
    tls, host, port, target = parse_url(url)
    request = bytearray(request_head("POST", target, host, port, tls, _ENVELOPE, body.length))
    for piece in body.chunks():
        request.extend(piece)
    return request


class HttpClient:
    """One per session: cookies, nonce, redirected URL, connection die with it. HttpError: bad URL.

    Build it before the bell rings: `post` then only looks up the address, connects and writes.
    `buffer` (bytearray) is the one read and write buffer, tls() gives the SSLContext when https
    wants it, or raises ValueError with the reason why there is none. Times in milliseconds:
    `response_ms` bounds the sending, the wait for the first byte and the rest of the response,
    each.
    """

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
        self._url = parse_url(url)
        self._resolver = resolver
        self._buf = bytearray(_BUFFER) if buffer is None else buffer
        self._tls = tls
        self._context = None
        self._connect_ms = connect_ms
        self._response_ms = response_ms
        self._body_limit = body_limit
        self._allow_basic = allow_basic
        self._username = username
        self._password = password
        self._digest = None  # DigestAuth, once the server asked for it
        self._basic = None
        self._cnonce = None
        self._cookies = {}
        self._stream = None
        self._untouched = True  # nothing was sent: a prepared request is what we would build
        self._reader = None
        self._sink = None
        self._into = None
        self._sending = False

    async def post(self, body, sink, prepared=None):
        """POST `body` and return the final 2xx status. HttpFailure; the connection is closed then.

        `body` has `length` (0: an empty POST, None: sent chunked) and `chunks()`, bytes-like
        pieces, asked again for a resend. `sink()` gives a callable that takes the pieces of the
        answer's body (memoryviews into the buffer); it is called for a 2xx answer that has a body,
        never for one that is thrown away. `prepared` comes from `prepare` and goes out as it is
        if nothing was sent in this session yet.
        """
        try:
            return await self._post(body, sink, prepared)
        except HttpFailure:
            self._drop()
            raise
        except Exception as error:  # noqa: BLE001 - one kind of failure for the session
            failure = HttpFailure(self._reason(error))
        except BaseException:  # cancelled
            self._drop()
            raise
        self._drop()
        raise failure

    async def close(self):
        """End the session's connection."""
        self._drop()

    async def _post(self, body, sink, prepared):
        redirects = refusals = 0
        retried = False
        while True:
            stream = self._stream
            if stream is not None and not stream.idle(self._buf):
                self._drop()  # closed by the peer between two messages: nothing was lost (CWMP-02)
                stream = None
            if stream is None:
                await self._open()
            reader = self._reader = ResponseReader(self._piece, self._body_limit)
            self._sink = sink
            self._into = None
            broken = None
            try:
                await self._send(body, prepared if self._untouched else None)
            except OSError as error:
                broken = error  # a server may close early; what it said before is still to be read
            try:
                await self._receive(reader)
                if broken is not None:
                    self._drop()
            except (OSError, HttpError) as error:
                # A kept connection may die under the request: once, the session survives that.
                if stream is None or retried or reader.started:
                    raise broken or error
                retried = True
                self._drop()
                continue
            self._keep_cookies(reader.headers.get("set-cookie", ()))
            status = reader.status
            if 200 <= status < 300:
                return status
            if status == 401:
                refusals += 1
                self._authenticate(reader.headers.get("www-authenticate", ()), refusals)
            elif status in (302, 307) and "location" in reader.headers:
                redirects += 1
                if redirects > _REDIRECTS_MAX:
                    raise HttpFailure("redirect loop", status)
                if self._redirect(reader.headers["location"]):
                    refusals = 0
            else:
                after = reader.headers.get("retry-after", "")
                after = int(after) if after.isdigit() and len(after) < 7 else None
                raise HttpFailure(f"status {status}", status, after)

    async def _open(self):
        tls, host, port, _ = self._url
        if tls and self._context is None:
            if self._tls is None:
                raise HttpFailure("no tls context")
            try:
                self._context = self._tls()
            except ValueError as error:
                raise HttpFailure("tls " + str(error))
        try:
            address = self._resolver.lookup(host, port)
        except OSError as error:
            raise HttpFailure(error.args[-1])
        self._cnonce = None
        context = self._context if tls else None
        try:
            self._stream = await open_stream(address, self._connect_ms, context, host)
        except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 - MicroPython has no other
            self._resolver.forget(host)  # it may live elsewhere by now (B20)
            raise HttpFailure("connect " + self._reason(error))

    def _drop(self):
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _reason(self, error):
        if isinstance(error, asyncio.TimeoutError):
            return "timeout"
        if isinstance(error, MemoryError):
            return "out of memory"
        if isinstance(error, ValueError):  # fixed texts of ours, or what TLS says of a certificate
            return "tls " + str(error) if self._sending and self._url[0] else str(error)
        if isinstance(error, OSError):
            text = _ERRORS.get(error.errno)
            return text or "error " + str(error.args[-1] if error.args else error)
        return "internal " + repr(error)

    # Request

    def _head(self, length):
        tls, host, port, target = self._url
        headers = list(_ENVELOPE) if length != 0 else []
        if self._basic is not None:
            headers.append(("Authorization", self._basic))
        elif self._digest is not None:
            if self._cnonce is None:  # a new one per connection (CWMP-05)
                self._cnonce = hexlify(os.urandom(8)).decode()
            value = self._digest.authorization("POST", target, self._cnonce)
            headers.append(("Authorization", value))
        if self._cookies:
            headers.append(("Cookie", "; ".join(self._cookies.values())))
        return request_head("POST", target, host, port, tls, headers, length)

    async def _send(self, body, prepared):
        stream = self._stream
        self._untouched = False
        self._sending = True
        stream.limit(self._response_ms)
        if prepared is not None:
            await stream.write(prepared)
        elif body.length is None:
            await stream.write(self._head(None))
            await self._send_chunked(body)
        else:
            await self._send_sized(body)
        self._sending = False

    async def _send_sized(self, body):
        # Head and body share segments: a second small write would wait for an acknowledgement.
        buf = self._buf
        head = self._head(body.length)
        left = body.length
        if not left or len(head) > len(buf):
            await self._stream.write(head)
            fill = 0
        else:
            fill = len(head)
            buf[:fill] = head
        if not left:
            return
        for piece in body.chunks():
            left -= len(piece)
            if left < 0:
                break
            at = 0
            while at < len(piece):
                if fill == len(buf):
                    await self._stream.write(buf)
                    await asyncio.sleep_ms(0)  # the other tasks come first
                    fill = 0
                take = min(len(piece) - at, len(buf) - fill)
                buf[fill : fill + take] = memoryview(piece)[at : at + take]
                at += take
                fill += take
        if left:
            raise HttpFailure("body length")
        await self._stream.write(memoryview(buf)[:fill])

    async def _send_chunked(self, body):
        buf = self._buf
        end = len(buf) - _LAST_FRAME
        fill = _FRAME
        for piece in body.chunks():
            at = 0
            while at < len(piece):
                if fill == end:
                    await self._send_frame(fill, b"\r\n")
                    fill = _FRAME
                take = min(len(piece) - at, end - fill)
                buf[fill : fill + take] = memoryview(piece)[at : at + take]
                at += take
                fill += take
        if fill == _FRAME:
            await self._stream.write(b"0\r\n\r\n")
        else:
            await self._send_frame(fill, b"\r\n0\r\n\r\n")

    async def _send_frame(self, fill, tail):
        buf = self._buf
        buf[:_FRAME] = f"{fill - _FRAME:04x}\r\n".encode()
        buf[fill : fill + len(tail)] = tail
        await self._stream.write(memoryview(buf)[: fill + len(tail)])
        await asyncio.sleep_ms(0)

    # Response

    async def _receive(self, reader):
        stream = self._stream
        buf = self._buf
        stream.limit(self._response_ms)
        while True:
            try:
                count = await stream.readinto(buf)
                if not reader.started:
                    stream.limit(self._response_ms)
                used = 0
                if count:
                    used = reader.feed(buf, 0, count)
                else:
                    reader.eof()
            except (OSError, HttpError):
                # The status of a refusal is known; what is wrong with its body does not matter.
                if not reader.head_complete or 200 <= reader.status < 300:
                    raise
                self._drop()
                return
            if reader.complete:
                if not reader.keep_alive or used < count or not count:
                    self._drop()
                return
            refused = reader.head_complete and not 200 <= reader.status < 300
            if refused and (reader.until_close or reader.status not in (401, 302, 307)):
                self._drop()
                return
            await asyncio.sleep_ms(0)  # a fast peer must not starve the other tasks

    def _piece(self, view):
        if 200 <= self._reader.status < 300:
            if self._into is None:
                self._into = self._sink()
            self._into(view)

    def _keep_cookies(self, values):
        cookies = self._cookies
        for value in values:
            try:
                name, pair = parse_cookie(value)
            except HttpError:
                continue
            old = cookies.pop(name, None)
            if pair is None:
                continue
            size = len(pair)
            for other in cookies.values():
                size += len(other)
            if len(cookies) < _COOKIES_MAX and size <= _COOKIE_BYTES_MAX:
                cookies[name] = pair
            elif old is not None:
                cookies[name] = old

    def _authenticate(self, values, refusals):
        if not self._username:
            raise HttpFailure("no credentials", 401)
        # A slice: many an ACS knows its devices by their certificate, or not at all.
        from cwmp.wire.http_auth import (  # noqa: PLC0415
            DigestAuth,
            basic,
            is_stale,
            offers_basic,
            parse_credentials,
            usable_digest,
        )

        challenges = []
        for value in values:
            challenges.extend(parse_credentials(value))
        params = usable_digest(challenges)
        # The first refusal is a challenge (or the end of an old nonce), the next one a verdict.
        if refusals > 2 or (refusals == 2 and (params is None or not is_stale(params))):
            raise HttpFailure("status 401", 401)
        if params is not None:
            self._basic = None
            if self._digest is None:
                self._digest = DigestAuth(self._username, self._password)
            self._digest.challenge(params)
        elif not offers_basic(challenges):
            raise HttpFailure("no usable challenge", 401)
        elif not self._url[0] and not self._allow_basic:
            raise HttpFailure("basic without tls", 401)
        else:
            self._basic = basic(self._username, self._password)

    def _redirect(self, location):
        # True when it leads to another server: what the old one gave us is not for the new one.
        before = self._url
        self._url = parse_url(location, before)
        if self._url[:3] == before[:3]:
            return False
        self._drop()
        self._basic = self._digest = None
        if self._url[1] != before[1] or (before[0] and not self._url[0]):
            self._cookies.clear()
        return True
