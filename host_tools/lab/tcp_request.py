"""TCP Connection Requests as an ACS sends them: HTTP GET with Digest on a connection that is kept.

As GenieACS has it: two seconds for each answer, the connection is kept after the 401, and one that
drops is tried once more on a new one.
"""

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from host_tools.errors import Failed, UserError
from host_tools.lab import digest

TIMEOUT = 2.0  # s for one answer: what GenieACS waits by default (TCR-14)
_HEAD_MAX = 16384


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. Header names are in lower case; `close`: it was said to be the last one."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def close(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"

    @property
    def challenge(self) -> dict[str, str]:
        """The Digest challenge of a 401; {} when there is none that can be read."""
        scheme, _, rest = self.headers.get("www-authenticate", "").partition(" ")
        if scheme.lower() != "digest":
            return {}
        return digest.parse_pairs(rest)


@dataclass
class Place:
    """Where a ConnectionRequestURL leads."""

    host: str
    port: int
    target: str


def split_url(url: str) -> Place:
    """Read a ConnectionRequestURL; UserError."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise UserError(f"'{url}' is no ConnectionRequestURL: {error}") from None
    if parts.scheme != "http" or not parts.hostname:
        raise UserError(f"'{url}' is no ConnectionRequestURL: http://host:port/path is wanted")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.hostname, port, target)


class Connection:
    """One connection to a CPE. OSError when it cannot be made, or broke."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._writer is not None
        self._writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Send any bytes."""
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer:
        """Read one answer; ConnectionResetError when the CPE has closed instead."""
        assert self._reader is not None
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("closed without an answer") from None
        status, *lines = head.decode("latin-1").split("\r\n")[:-2]
        found = re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]*", status)
        if found is None:
            raise Failed(f"the CPE answered {status[:80]!r}: not HTTP")
        pairs = [line.partition(":") for line in lines]
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        return Answer(int(found[1]), headers, await self._reader.readexactly(length))

    async def closed(self) -> bool:
        """Wait until the CPE closes; False when it says something instead."""
        assert self._reader is not None
        try:
            return not await self._reader.read(1)
        except ConnectionResetError:
            return True

    async def get(
        self, target: str, authorization: str = "", method: str = "GET", more: str = ""
    ) -> Answer:
        """One request and its answer; `more`: header lines, each with its CR LF."""
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{more}"
        if authorization:
            head += f"Authorization: {authorization}\r\n"
        await self.send(head.encode() + b"\r\n")
        return await self.answer()


@dataclass
class Client:
    """The digest client of an ACS; `nonce` and `count` go on from request to request."""

    username: str
    password: str = field(repr=False)
    challenge: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def take(self, challenge: dict[str, str]) -> None:
        """Take a challenge; Failed when it cannot be answered."""
        offered = [word.strip() for word in challenge.get("qop", "").split(",")]
        if not challenge.get("nonce") or "realm" not in challenge or "auth" not in offered:
            raise Failed("the CPE asks for something else than Digest with qop=auth")
        self.challenge = challenge
        self.count = 0

    def authorization(self, target: str, method: str = "GET", **changed: str) -> str:
        """Return an Authorization for the next use of the nonce; `changed` replaces its fields
        after the digest was made.
        """
        self.count += 1
        pairs = {
            "username": self.username,
            "realm": self.challenge["realm"],
            "nonce": self.challenge["nonce"],
            "uri": target,
            "qop": "auth",
            "nc": f"{self.count:08x}",
            "cnonce": secrets.token_hex(8),
            "algorithm": self.challenge.get("algorithm", "MD5"),
        }
        pairs["response"] = digest.response(pairs, self.username, self.password, method)
        if "opaque" in self.challenge:
            pairs["opaque"] = self.challenge["opaque"]
        return header({**pairs, **changed})


def header(pairs: Mapping[str, str]) -> str:
    """Write the fields of an Authorization as one."""
    bare = ("qop", "nc", "algorithm")
    texts = []
    for name, value in pairs.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        texts.append(f"{name}={value}" if name in bare else f'{name}="{escaped}"')
    return "Digest " + ", ".join(texts)


async def ring(url: str, username: str, password: str, timeout: float = TIMEOUT) -> Answer:
    """Ring once, return the last answer: 200 or 204 when the CPE will come.

    UserError for a URL that is none, Failed when there is no connection or no answer in time.
    """
    place = split_url(url)
    for attempt in (1, 2):
        try:
            async with (
                asyncio.timeout(2 * timeout),
                Connection(place.host, place.port) as connection,
            ):
                return await _exchange(connection, place, Client(username, password), timeout)
        except TimeoutError:
            raise Failed(f"{place.host}:{place.port} did not answer in {timeout:g} s") from None
        except OSError as error:
            if attempt == 2:
                text = f"{place.host}:{place.port} cannot be rung: {error.strerror or error}"
                raise Failed(text) from error
    raise AssertionError


async def _exchange(
    connection: Connection, place: Place, client: Client, timeout: float
) -> Answer:
    async with asyncio.timeout(timeout):
        answer = await connection.get(place.target)
    if answer.status != 401:
        return answer
    client.take(answer.challenge)
    if answer.close:
        async with Connection(place.host, place.port) as other, asyncio.timeout(timeout):
            return await other.get(place.target, client.authorization(place.target))
    async with asyncio.timeout(timeout):
        return await connection.get(place.target, client.authorization(place.target))
