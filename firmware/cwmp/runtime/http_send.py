"""Sends a request of an HttpClient (CWMP-01, CWMP-03). Nobody needs it while the answer comes."""

import asyncio
import os
from binascii import hexlify

from ..wire.request_head import request_head
from .http_client import HttpFailure
from .slices import borrow


async def send(client, body):
    """Send the request with the `body` of `HttpClient.post`. OSError, HttpFailure."""
    head = _head(client, body.length)
    stream = client.stream
    if body.length is None:
        await stream.write(head)
        await borrow("runtime.http_body").send_chunked(stream, body, client.buf)
        return
    # Head and body share segments: a second small write would wait for an acknowledgement.
    buf = client.buf
    fill = 0
    left = len(head) + body.length
    for piece in _pieces(head, body):
        left -= len(piece)
        at = 0
        while left >= 0 and at < len(piece):
            if fill == len(buf):
                await stream.write(buf)
                await asyncio.sleep_ms(0)  # the other tasks come first
                fill = 0
            take = min(len(piece) - at, len(buf) - fill)
            buf[fill : fill + take] = memoryview(piece)[at : at + take]
            at += take
            fill += take
    if left:
        raise HttpFailure("body length")
    await stream.write(memoryview(buf)[:fill])


def _head(client, length):
    tls, host, port, target = client.url
    headers = list(client.content) if length != 0 else []
    value = client.basic
    if client.digest is not None:
        if client.cnonce is None:  # a new one per connection (CWMP-05)
            client.cnonce = hexlify(os.urandom(8)).decode()
        value = borrow("wire.http_auth").authorization(
            client.digest, client.username, client.password, client.method, target, client.cnonce
        )
    if value is not None:
        headers.append(("Authorization", value))
    if client.cookies:
        headers.append(("Cookie", "; ".join(client.cookies.values())))
    return request_head(client.method, target, host, port, tls, headers, length)


def _pieces(head, body):
    yield head
    yield from body.chunks()
