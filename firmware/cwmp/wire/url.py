"""URLs of HTTP: of the ACS, and where it redirects to. Loaded for one of them at a time."""

from micropython import const

from .http_error import HttpError

_LINE_MAX = const(1024)


def parse_url(url, base=None):
    """Split an http(s) URL into `(tls, host, port, target)`; HttpError. An IPv6 host is
    without its brackets.

    `base`, such a tuple, resolves a bare `/path`.
    """
    if len(url) > _LINE_MAX:
        raise HttpError("url too long")
    for byte in url.encode():  # a character that is taken out of a text becomes a name for ever
        if not 0x20 < byte < 0x7F:
            raise HttpError("bad url")
    url = url.split("#", 1)[0]
    if base is not None and url.startswith("/") and not url.startswith("//"):
        return base[0], base[1], base[2], url
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in ("http", "https"):
        raise HttpError("not an http url")
    cut = len(rest)
    for mark in ("/", "?"):
        at = rest.find(mark)
        if 0 <= at < cut:
            cut = at
    target = rest[cut:]
    if not target.startswith("/"):
        target = "/" + target
    host, mark, port = rest[:cut].lower().partition(":")
    others = b"-._ghijklmnopqrstuvwxyz"
    if host.startswith("["):
        host, mark, port = rest[1:cut].lower().partition("]")
        others = b":."
        if not mark or ":" not in host or port[:1] not in ("", ":"):
            raise HttpError("bad host in url")
        port = port[1:]
    if not 0 < len(host) < 254:
        raise HttpError("bad host in url")
    for byte in host.encode():
        if not (97 <= byte <= 102 or 48 <= byte <= 57 or byte in others):
            raise HttpError("bad host in url")
    if not port:
        return scheme == "https", host, 443 if scheme == "https" else 80, target
    if not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65536:
        raise HttpError("bad port in url")
    return scheme == "https", host, int(port), target
