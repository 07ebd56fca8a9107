"""Receives the response to a request of an HttpClient (CWMP-03). Loaded when that is sent."""

import asyncio

from ..wire.http import ResponseReader
from ..wire.http_error import HttpError


def response(sink, body_limit):
    """Return a ResponseReader that leads a 2xx answer's body to what `sink()` gives."""
    into = None

    def take(view):
        nonlocal into
        if 200 <= reader.status < 300:
            into = into or sink()
            into(view)

    reader = ResponseReader(take, body_limit)
    return reader


async def receive(client, reader):
    """Read the response; the connection is closed when it cannot be used again. OSError,
    HttpError.
    """
    stream = client.stream
    buf = client.buf
    stream.limit(client.response_ms)
    while True:
        try:
            count = await stream.readinto(buf)
            if not reader.started:
                stream.limit(client.response_ms)
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
    client.drop()
