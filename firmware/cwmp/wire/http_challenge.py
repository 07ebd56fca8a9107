"""Challenges of a 401, and the answer to one that is not Digest (CWMP-04). Loaded for one 401 at a
time.
"""

from binascii import b2a_base64

from micropython import const

from .http_error import HttpError

_SCHEMES_MAX = const(8)
_PARAMS_MAX = const(16)
_SPACE = b" \t"
_STOP = b' \t,="'


def parse_credentials(value):
    """Split a WWW-Authenticate or Authorization value into `[(scheme, {name: text})]`; HttpError.

    Schemes and names are in lower case. One header may hold several challenges; a quoted comma
    (qop="auth,auth-int") separates nothing.
    """
    data = value.encode()
    size = len(data)
    found = []
    params = None
    at = 0
    while at < size:
        if data[at] in b" \t,":
            at += 1
            continue
        stop = at
        while stop < size and data[stop] not in _STOP:
            stop += 1
        if stop == at:
            raise HttpError("bad challenge")
        word = data[at:stop].decode().lower()
        at = _spaces(data, stop)
        if params is None or data[at : at + 1] != b"=":
            if len(found) == _SCHEMES_MAX:
                raise HttpError("bad challenge")
            params = {}
            found.append((word, params))
            continue
        at = _spaces(data, at + 1)
        if data[at : at + 1] == b'"':
            text, at = _quoted(data, at + 1)
        else:
            stop = at
            while stop < size and data[stop] not in b" \t,":
                stop += 1
            text = data[at:stop]
            at = stop
        if len(params) == _PARAMS_MAX:
            raise HttpError("bad challenge")
        if word not in params:
            params[word] = text.decode()
    return found


def _spaces(data, at):
    while at < len(data) and data[at] in _SPACE:
        at += 1
    return at


def _quoted(data, at):
    stop = data.find(b'"', at)
    if stop < 0:
        raise HttpError("bad challenge")
    if data.find(b"\\", at, stop) < 0:
        return data[at:stop], stop + 1
    text = bytearray()
    while at < len(data):
        byte = data[at]
        if byte == 34:
            return bytes(text), at + 1
        if byte == 92:
            at += 1
            if at == len(data):
                break
            byte = data[at]
        text.append(byte)
        at += 1
    raise HttpError("bad challenge")


def usable_digest(challenges):
    """Parameters of the first Digest challenge that we can answer, or None."""
    for scheme, params in challenges:
        if scheme != "digest" or "realm" not in params or not params.get("nonce"):
            continue
        if params.get("algorithm", "md5").lower() not in ("md5", "md5-sess"):
            continue
        if params.get("qop") and not _offers_auth(params["qop"]):
            continue
        return params
    return None


def taken(params, before):
    """Return `params`, of `usable_digest`, ready for `http_auth.authorization`; `before`: what was
    taken before, or None. A new nonce starts its count anew.
    """
    same = before and before["nonce"] == params["nonce"]
    params["count"] = before["count"] if same else 0
    return params


def offers_basic(challenges):
    """Whether one of the challenges is Basic."""
    for scheme, _ in challenges:
        if scheme == "basic":
            return True
    return False


def is_stale(params):
    """Whether a Digest challenge says that only the nonce was too old."""
    return params.get("stale", "").lower() == "true"


def _offers_auth(qop):
    for word in qop.split(","):
        if word.strip().lower() == "auth":
            return True
    return False


def basic(username, password):
    """Value of a Basic Authorization header; that it travels over TLS is the caller's job."""
    return "Basic " + b2a_base64((username + ":" + password).encode()).decode().strip()
