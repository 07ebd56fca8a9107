"""Sends a body that is too long to be held (CWMP-03, CWMP-09). Loaded for one at a time."""

import asyncio

from micropython import const

_FRAME = const(6)  # "03f9\r\n" before a chunk
_LAST_FRAME = const(7)  # "\r\n0\r\n\r\n" after the last one


async def send_chunked(stream, body, buf):
    """Write the pieces of `body.chunks()` as chunks that fill `buf` each."""
    end = len(buf) - _LAST_FRAME
    fill = _FRAME
    for piece in body.chunks():
        at = 0
        while at < len(piece):
            if fill == end:
                await _send_frame(stream, buf, fill, b"\r\n")
                fill = _FRAME
            take = min(len(piece) - at, end - fill)
            buf[fill : fill + take] = memoryview(piece)[at : at + take]
            at += take
            fill += take
    if fill == _FRAME:
        await stream.write(b"0\r\n\r\n")
    else:
        await _send_frame(stream, buf, fill, b"\r\n0\r\n\r\n")


async def _send_frame(stream, buf, fill, tail):
    buf[:_FRAME] = f"{fill - _FRAME:04x}\r\n".encode()
    buf[fill : fill + len(tail)] = tail
    await stream.write(memoryview(buf)[: fill + len(tail)])
    await asyncio.sleep_ms(0)
