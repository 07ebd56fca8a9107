"""Writes heads of HTTP/1.1 requests (CWMP-03)."""

from .http_error import HttpError


def request_head(method, target, host, port, tls, headers, length):
    """Bytes of a request head; `headers`: `(name, value)` texts, `length` None: chunked body."""
    if ":" in host:
        host = "[" + host + "]"
    lines = [
        method + " " + target + " HTTP/1.1",
        "Host: " + host if port == (443 if tls else 80) else f"Host: {host}:{port}",
    ]
    for name, value in headers:
        lines.append(name + ": " + value if value else name + ":")
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    text = "\r\n".join(lines)
    # A user name or a cookie must not be able to start a header of its own.
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise HttpError("line break in header")
    return (text + "\r\n\r\n").encode()
