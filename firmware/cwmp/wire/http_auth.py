"""HTTP authentication: challenges, Digest (MD5, MD5-sess), Basic (CWMP-04, CWMP-05, TCR-11)."""

from binascii import b2a_base64, hexlify
from hashlib import md5

from micropython import const

from cwmp.wire.http import HttpError

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


def basic(username, password):
    """Value of a Basic Authorization header; that it travels over TLS is the caller's job."""
    return "Basic " + b2a_base64((username + ":" + password).encode()).decode().strip()
