"""HTTP Digest authentication: MD5, MD5-sess (CWMP-04, CWMP-05, TCR-11)."""

from binascii import hexlify
from hashlib import md5


def _hash(text):
    return hexlify(md5(text.encode()).digest()).decode()


def digest_secret(username, realm, password, nonce=None, cnonce=None):
    """The first hash of Digest, 32 hex digits; with `nonce` and `cnonce` that of MD5-sess."""
    secret = _hash(f"{username}:{realm}:{password}")
    if nonce is None:
        return secret
    return _hash(f"{secret}:{nonce}:{cnonce}")


def digest_response(secret, method, uri, nonce, nc=None, cnonce=None, qop=None):
    """The `response` of an Authorization header, 32 hex digits, for client and server (TCR-11).

    `secret` comes from `digest_secret`; `nc` is the eight hex digits as they stand in the header;
    without `qop` it is the old form of RFC 2069.
    """
    request = _hash(f"{method}:{uri}")
    if not qop:
        return _hash(f"{secret}:{nonce}:{request}")
    return _hash(f"{secret}:{nonce}:{nc}:{cnonce}:{qop}:{request}")


def authorization(params, username, password, method, uri, cnonce):
    """Value of the Authorization header that answers `params`, which `http_challenge.taken`
    returned; each call counts one use of the nonce.
    """
    realm = params["realm"]
    nonce = params["nonce"]
    algorithm = params.get("algorithm")
    session = algorithm is not None and algorithm.lower() == "md5-sess"
    params["count"] += 1
    secret = digest_secret(username, realm, password, nonce if session else None, cnonce)
    count = f"{params['count']:08x}"
    qop = "auth" if params.get("qop") else None
    text = 'Digest username="' + _escape(username)
    text += '", realm="' + _escape(realm)
    text += '", nonce="' + _escape(nonce)
    text += '", uri="' + _escape(uri)
    response = digest_response(secret, method, uri, nonce, count, cnonce, qop)
    text += '", response="' + response + '"'
    if algorithm is not None:
        text += ", algorithm=" + ("MD5-sess" if session else "MD5")
    if "opaque" in params:
        text += ', opaque="' + _escape(params["opaque"]) + '"'
    if qop:
        text += ", qop=auth, nc=" + count
    if qop or session:
        text += ', cnonce="' + cnonce + '"'
    return text


def _escape(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')
