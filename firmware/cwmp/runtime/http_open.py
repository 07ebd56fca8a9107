"""Opens the connection of an HttpClient. Loaded for that: most sessions have one."""

import asyncio
import errno
import gc
import socket
import sys

from .http_client import HttpFailure
from .poll import writable
from .slices import borrow
from .stream import Stream, close_socket

# EISCONN is missing in the errno module: Linux, ESP-IDF (newlib), macOS.
_CONNECTED = (106, 127, 56)


async def connect(client):
    """Return a new Stream for `client`. HttpFailure."""
    tls, host, port, _ = client.url
    if tls and client.context is None:
        if client.tls is None:
            raise HttpFailure("no tls context")
        try:
            client.context = client.tls()
        except ValueError as error:
            raise HttpFailure("tls " + str(error))
    try:
        address = client.resolver.lookup(host, port, 0)
    except OSError as error:
        raise HttpFailure(error.args[-1])
    client.cnonce = None
    context = client.context if tls else None
    try:
        return await open_stream(address, client.connect_ms, context, host)
    except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 - MicroPython has no other
        client.resolver.forget(host)  # it may live elsewhere by now (B20)
        raise HttpFailure("connect " + borrow("runtime.http_reason").reason(error, client))


def _connect(sock, address):
    """Start to connect, or ask how it went: True connected, False under way. OSError."""
    try:
        sock.connect(address)
    except OSError as error:
        if error.errno in _CONNECTED:
            return True
        if error.errno in (errno.EINPROGRESS, errno.EALREADY):
            return False
        raise
    return True


async def open_stream(address, timeout_ms, tls=None, server_name=None):
    """Connect to `address`, the last item of a getaddrinfo entry. OSError, asyncio.TimeoutError.

    `tls` is an SSLContext that the caller set up, certificate checks included (B17), or None for
    plain TCP. The TLS handshake happens with the first write, within its time.
    """
    # The unix port has a sockaddr, which begins with the family, others have (host, port, ...).
    six = getattr(socket, "AF_INET6", -1)
    family = six if address[0] == six or ":" in str(address[0]) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        stream = Stream(sock, sock)
        sock.setblocking(False)
        if sys.platform == "linux":
            # TCP_NODELAY: a small last piece must not wait for the peer's delayed acknowledgement.
            sock.setsockopt(6, 1, 1)
        # No getsockopt here: a second connect tells the outcome, on a near network at once.
        if not _connect(sock, address):
            stream.limit(timeout_ms)
            while not _connect(sock, address):
                await stream.wait(writable(sock))
        if tls is not None:
            gc.collect()  # TLS needs tens of KB that the heap may have grown into (B23)
            layer = tls.wrap_socket(
                sock, server_hostname=server_name, do_handshake_on_connect=False
            )
            layer.setblocking(False)
            return Stream(layer, sock)
        return stream
    except BaseException:
        close_socket(sock)
        raise
