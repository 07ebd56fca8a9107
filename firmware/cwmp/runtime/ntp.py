"""One question to an NTP server (RFC 5905, client mode). Loaded for the exchange and dropped
afterwards.
"""

import asyncio
import os
import socket
from time import ticks_diff, ticks_ms

from micropython import const

from .poll import forget, readable

_SIZE = const(48)
_1970 = 2208988800  # Unix time 0 in seconds of NTP's first era
_ERA = 4294967296
_TIMEOUT = const(3000)


def question(cookie):
    """Return the datagram that asks; `cookie` (8 bytes) comes back in the answer."""
    return b"\x23" + bytes(39) + cookie  # version 4, mode 3


def answer(data, cookie):
    """Return Unix seconds and milliseconds of the server's clock. ValueError: not to be used."""
    if len(data) < _SIZE or data[0] & 7 != 4 or data[24:32] != cookie:
        raise ValueError("not an answer")
    if data[0] >> 6 == 3 or not 1 <= data[1] <= 15:
        raise ValueError("server not synchronised")
    seconds = int.from_bytes(data[40:44], "big")
    if not seconds:
        raise ValueError("server sends no time")
    if seconds < _ERA // 2:  # the era that begins in February 2036
        seconds += _ERA
    return seconds - _1970, int.from_bytes(data[44:46], "big") * 1000 >> 16


async def ask(address):
    """Ask the server at `address` (of getaddrinfo) and return its Unix seconds now, rounded.
    OSError, ValueError.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # Nobody but the server can know it: an answer from anywhere else is not taken.
        cookie = os.urandom(8)
        asked = ticks_ms()
        sock.sendto(question(cookie), address)
        while True:
            left = _TIMEOUT - ticks_diff(ticks_ms(), asked)
            if left <= 0:
                raise OSError("timeout")
            try:
                await asyncio.wait_for_ms(readable(sock), left)
            except asyncio.TimeoutError:
                raise OSError("timeout")
            data = sock.recv(_SIZE)
            try:
                seconds, ms = answer(data, cookie)
            except ValueError as error:
                if error.args[0] == "not an answer":
                    continue
                raise
            return seconds + (ms + ticks_diff(ticks_ms(), asked) // 2 + 500) // 1000
    finally:
        forget(sock)
        sock.close()
