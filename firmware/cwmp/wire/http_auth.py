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


class DigestAuth:
    """The client's half of Digest; `nonce` is None until a challenge was taken."""

    def __init__(self, username, password):
        self.username = username
        self.password = password
        self.nonce = None
        self._params = None
        self._count = 0

    def challenge(self, params):
        """Take parameters that `usable_digest` returned; a new nonce starts its count anew."""
        if params["nonce"] != self.nonce:
            self.nonce = params["nonce"]
            self._count = 0
        self._params = params

    def authorization(self, method, uri, cnonce):
        """Value of the Authorization header; each call counts one use of the nonce."""
        params = self._params
        realm = params["realm"]
        algorithm = params.get("algorithm")
        session = algorithm is not None and algorithm.lower() == "md5-sess"
        self._count += 1
        nonce = self.nonce if session else None
        secret = digest_secret(self.username, realm, self.password, nonce, cnonce)
        count = f"{self._count:08x}"
        qop = "auth" if params.get("qop") else None
        text = 'Digest username="' + _escape(self.username)
        text += '", realm="' + _escape(realm)
        text += '", nonce="' + _escape(self.nonce)
        text += '", uri="' + _escape(uri)
        response = digest_response(secret, method, uri, self.nonce, count, cnonce, qop)
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
