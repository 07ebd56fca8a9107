"""HTTP authentication on the ACS side: Digest (RFC 2617, RFC 7616 with MD5) and Basic.

Checked strictly. A nonce belongs to one TCP connection, as GenieACS has it, so that every new
connection costs a 401 (CWMP-04).
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_PAIR = re.compile(r'\s*([A-Za-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_MAX_NONCES = 1024


class BadAuthorization(Exception):
    """Why a request is not authenticated; `stale`: only because the nonce is too old."""

    def __init__(self, why: str, stale: bool = False) -> None:
        super().__init__(why)
        self.stale = stale


def parse_pairs(text: str) -> dict[str, str]:
    """Read `name=value, name="value"`; BadAuthorization when it is anything else or repeats."""
    pairs: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _PAIR.match(text, place)
        if match is None:
            raise BadAuthorization(f"unreadable at {text[place : place + 20]!r}")
        name = match[1].lower()
        if name in pairs:
            raise BadAuthorization(f"{name} given twice")
        quoted = match[2]
        pairs[name] = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        place = match.end()
    return pairs


def _md5(*parts: str | bytes) -> str:
    joined = b":".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


def response(
    pairs: dict[str, str], username: str, password: str, method: str, body: bytes = b""
) -> str:
    """Return the digest that an Authorization header with these fields must carry."""
    first = _md5(username, pairs["realm"], password)
    if pairs.get("algorithm", "MD5").lower() == "md5-sess":
        first = _md5(first, pairs["nonce"], pairs["cnonce"])
    qop = pairs.get("qop")
    second = _md5(method, pairs["uri"])
    if qop == "auth-int":
        second = _md5(method, pairs["uri"], hashlib.md5(body, usedforsecurity=False).hexdigest())
    if not qop:
        return _md5(first, pairs["nonce"], second)
    return _md5(first, pairs["nonce"], pairs["nc"], pairs["cnonce"], qop, second)


@dataclass
class _Nonce:
    connection: Hashable
    uses: int = 0
    last_nc: int = 0


class Authenticator:
    """What one ACS asks of its CPEs.

    `schemes`: any of "digest", "basic"; none = no authentication. `qop`: list offered, '' for the
    RFC 2069 form. `nonce_uses`: after that many requests a nonce is stale. `draw`: as
    `secrets.token_hex`.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        schemes: tuple[str, ...] = ("digest",),
        realm: str = "esp-cwmp lab",
        qop: str = "auth,auth-int",
        algorithm: str = "MD5",
        nonce_uses: int = 0,
        draw: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._username = username
        self._password = password
        self._schemes = schemes
        self._realm = realm
        self._qop = qop
        self._algorithm = algorithm
        self._nonce_uses = nonce_uses
        self._draw = draw
        self._opaque = draw(8)
        self._nonces: dict[str, _Nonce] = {}
        self._cnonces: dict[str, Hashable] = {}
        self.reused_cnonces: list[str] = []

    def challenges(self, connection: Hashable, stale: bool = False) -> list[str]:
        """Return the WWW-Authenticate values of a 401 on this connection, with a fresh nonce."""
        values = []
        if "digest" in self._schemes:
            if len(self._nonces) >= _MAX_NONCES:
                del self._nonces[next(iter(self._nonces))]
            nonce = self._draw(16)
            self._nonces[nonce] = _Nonce(connection)
            value = f'Digest realm="{self._realm}", nonce="{nonce}"'
            if self._qop:
                value += f', qop="{self._qop}"'
            value += f', opaque="{self._opaque}", algorithm={self._algorithm}'
            values.append(value + (", stale=true" if stale else ""))
        if "basic" in self._schemes:
            values.append(f'Basic realm="{self._realm}"')
        return values

    def check(
        self, header: str | None, method: str, target: str, body: bytes, connection: Hashable
    ) -> None:
        """Return when the header is good; BadAuthorization says why it is not."""
        if not self._schemes:
            return
        if not header:
            raise BadAuthorization("no Authorization")
        scheme, _, rest = header.partition(" ")
        if scheme.lower() not in self._schemes:
            raise BadAuthorization(f"scheme {scheme!r} was not offered")
        if scheme.lower() == "basic":
            self._check_basic(rest.strip())
        else:
            self._check_digest(parse_pairs(rest), method, target, body, connection)

    def _check_basic(self, token: str) -> None:
        wanted = base64.b64encode(f"{self._username}:{self._password}".encode())
        if not hmac.compare_digest(wanted, token.encode()):
            raise BadAuthorization("wrong username or password")

    def _check_digest(
        self, pairs: dict[str, str], method: str, target: str, body: bytes, connection: Hashable
    ) -> None:
        needed = ["username", "realm", "nonce", "uri", "response", "opaque"]
        if self._qop:
            needed += ["qop", "nc", "cnonce"]
        for name in needed:
            if name not in pairs:
                raise BadAuthorization(f"{name} missing")
        for name, want in (
            ("username", self._username),
            ("realm", self._realm),
            ("opaque", self._opaque),
            ("uri", target),
        ):
            if pairs[name] != want:
                raise BadAuthorization(f"{name} is {pairs[name]!r}, not {want!r}")
        if pairs.get("algorithm", "MD5").lower() != self._algorithm.lower():
            raise BadAuthorization(f"algorithm {pairs.get('algorithm')!r}")
        offered = [token.strip() for token in self._qop.split(",")] if self._qop else [None]
        if pairs.get("qop") not in offered:
            raise BadAuthorization(f"qop {pairs.get('qop')!r} was not offered")
        nonce = self._nonces.get(pairs["nonce"])
        if nonce is None or nonce.connection != connection:
            raise BadAuthorization("a nonce not given on this connection", stale=True)
        want = response(pairs, self._username, self._password, method, body)
        if not hmac.compare_digest(want.encode(), pairs["response"].lower().encode()):
            raise BadAuthorization("wrong response")
        if self._qop:
            self._check_count(pairs, nonce, connection)
        nonce.uses += 1
        if self._nonce_uses and nonce.uses > self._nonce_uses:
            raise BadAuthorization("nonce used up", stale=True)

    def _check_count(self, pairs: dict[str, str], nonce: _Nonce, connection: Hashable) -> None:
        if not re.fullmatch("[0-9a-fA-F]{8}", pairs["nc"]):
            raise BadAuthorization(f"nc {pairs['nc']!r} is not 8 hex digits")
        count = int(pairs["nc"], 16)
        if count <= nonce.last_nc:
            raise BadAuthorization(f"nc {count} after {nonce.last_nc}", stale=True)
        nonce.last_nc = count
        if len(self._cnonces) > _MAX_NONCES:
            del self._cnonces[next(iter(self._cnonces))]
        if self._cnonces.setdefault(pairs["cnonce"], connection) != connection:
            self.reused_cnonces.append(pairs["cnonce"])
