"""What went wrong with HTTP, in words for a log line. Loaded when a session fails."""

import asyncio
import errno

_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENOMEM: "out of memory",
    128: "refused",  # ENOTCONN of an ESP32, whose lwIP says so of a connection that was refused
    32: "closed",  # EPIPE, which the errno module lacks
}


def reason(error, client):
    """Return the reason of any exception that an HttpClient met."""
    in_handshake = client.sending and client.url[0]  # it may be what TLS says
    if isinstance(error, asyncio.TimeoutError):
        return "timeout"
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, ValueError):  # fixed texts of ours, or what TLS says of a certificate
        return "tls " + str(error) if in_handshake else str(error)
    if isinstance(error, OSError):
        text = _ERRORS.get(error.errno)
        if not text:
            text = "error " + str(error.args[-1] if error.args else error)
            if in_handshake and isinstance(error.errno, int) and error.errno < 0:
                text = "tls " + text
        return text
    return "internal " + repr(error)
