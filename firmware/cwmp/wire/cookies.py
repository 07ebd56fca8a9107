"""Cookies of one session (CWMP-06). Loaded when an ACS sets one."""

from micropython import const

from .http_error import HttpError

_COOKIES_MAX = const(8)
_COOKIE_BYTES_MAX = const(2048)


def parse_cookie(value):
    """Split a Set-Cookie value into `(name, pair)`, pair being `name=value`; None: taken back."""
    parts = value.split(";")
    pair = parts[0].strip()
    name = pair.partition("=")[0].strip()
    if not name or "=" not in pair:
        raise HttpError("bad cookie")
    for part in parts[1:]:
        attribute, _, age = part.partition("=")
        age = age.strip()
        if attribute.strip().lower() == "max-age" and (age == "0" or age.startswith("-")):
            return name, None
    return name, pair


def keep(cookies, values):
    """Put the Set-Cookie `values` into `cookies`, {name: pair}; what does not fit is let go."""
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
