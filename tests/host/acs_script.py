"""A scripted HTTP server and a MicroPython process that runs the real client against it."""

import asyncio
import hashlib
import json
import os
import re
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = os.environ.get("MICROPYTHON", str(Path(sys.executable).parent / "micropython"))

PRELUDE = """
import sys
sys.path.insert(0, FIRMWARE)
import asyncio, errno, gc, json, os, socket, ssl
from cwmp.runtime.http_client import HttpClient, HttpFailure
from cwmp.runtime.resolver import Resolver
from cwmp.runtime.http_open import open_stream

def prepare(url, body):
    from cwmp.runtime.prepared import first_request
    return first_request(url, body)

class Body:
    def __init__(self, *pieces, length=-1):
        self.pieces = pieces
        self.length = sum(len(piece) for piece in pieces) if length == -1 else length
        self.asked = 0
    def chunks(self):
        self.asked += 1
        return iter(self.pieces)

class Answer:
    def __init__(self):
        self.made = 0
        self.data = b""
    def __call__(self):
        self.made += 1
        self.data = b""
        return self.take
    def take(self, piece):
        self.data += bytes(piece)

EMPTY = Body()
INFORM = Body(b"<soap>", b"Inform", b"</soap>")
resolver = Resolver(socket.getaddrinfo)

def client(url=None, username="cpe", password="acs-pass", **more):
    return HttpClient(URL if url is None else url, username, password, resolver, **more)

async def post(c, body=INFORM, prepared=None):
    answer = Answer()
    try:
        status = await c.post(body, answer, prepared)
        print(json.dumps([status, answer.data.decode(), answer.made]))
    except HttpFailure as failure:
        print(json.dumps(["failed", failure.reason, failure.status, failure.retry_after]))

def files():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

AT_START = files()

def open_sockets():
    return files() - AT_START
"""


@dataclass
class Request:
    """One request as it stood on the wire; `connection` counts from 0."""

    connection: int
    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        lines = self.head.decode().split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return [value.strip() for key, _, value in pairs if key.lower() == name]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} stands {len(values)} times in one head"
        return values[0] if values else None


@dataclass
class Peer:
    """The server's end of one connection."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: list[Request]

    async def request(self) -> Request | None:
        """The next request, None when the client closed in between."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            assert error.partial == b"", error.partial
            return None
        request = Request(self.number, head, b"")
        if request.one("transfer-encoding") == "chunked":
            while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
                request.body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
        else:
            request.body = await self.reader.readexactly(int(request.one("content-length") or ""))
        self.seen.append(request)
        return request

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Reason", *headers, f"Content-Length: {len(body)}"]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def abort(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()


Handler = Callable[[Peer], Awaitable[None]]


@dataclass
class Outcome:
    seen: list[Request]
    connections: int
    lines: list[Any] = field(default_factory=list)


async def _run(script: str, handler: Handler, tls: ssl.SSLContext | None, heap: str) -> Outcome:
    seen: list[Request] = []
    outcome = Outcome(seen, 0)
    problems: list[BaseException] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(outcome.connections, reader, writer, seen)
        outcome.connections += 1
        tasks.add(task := asyncio.current_task())  # type: ignore[arg-type]
        try:
            await handler(peer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:
            problems.append(error)
        finally:
            writer.close()
            tasks.discard(task)  # type: ignore[arg-type]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if tls else "http"
    host = "localhost" if tls else "127.0.0.1"
    values = f"FIRMWARE = {str(ROOT / 'firmware')!r}\nURL = '{scheme}://{host}:{port}/acs?x=1'\n"
    process = await asyncio.create_subprocess_exec(
        MICROPYTHON,
        "-X",
        f"heapsize={heap}",
        "-c",
        values + PRELUDE + script + "\nasyncio.run(main())\n",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    text = output.decode()
    assert process.returncode == 0, text
    if problems:
        raise problems[0]
    outcome.lines = [json.loads(line) for line in text.splitlines()]
    return outcome


def run(
    script: str, handler: Handler, tls: ssl.SSLContext | None = None, heap: str = "256k"
) -> Outcome:
    """Run `script` (it defines `async def main()`) in MicroPython against a server of `handler`s.

    Every line that it prints is JSON. An exception in a handler fails the test.
    """
    return asyncio.run(_run(script, handler, tls, heap))


def digest_fields(request: Request) -> dict[str, str] | None:
    """Parameters of the request's Digest Authorization header."""
    value = request.one("authorization")
    if value is None or not value.startswith("Digest "):
        return None
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', value[7:])
    return {name: quoted or bare for name, quoted, bare in found}


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def digest_is_right(
    request: Request, nonce: str, password: str = "acs-pass", realm: str = "GenieACS"
) -> bool:
    """Whether the request proves knowledge of `password`; apart from the code under test."""
    fields = digest_fields(request)
    if fields is None or fields["nonce"] != nonce:
        return False
    assert fields["uri"] == request.target
    assert fields["realm"] == realm
    first = md5(fields["username"], realm, password)
    if fields.get("algorithm") == "MD5-sess":
        first = md5(first, nonce, fields["cnonce"])
    second = md5("POST", fields["uri"])
    if "qop" in fields:
        assert fields["qop"] == "auth"
        return fields["response"] == md5(
            first, nonce, fields["nc"], fields["cnonce"], "auth", second
        )
    return fields["response"] == md5(first, nonce, second)


ENVELOPE = b"<soap>Inform</soap>"


def one_post(more: str = "", body: str = "INFORM") -> str:
    return f"""
async def main():
    c = client({more})
    await post(c, {body})
    c.drop()
    print(open_sockets())
"""


ENDLESS = """
class Endless:
    length = None
    def chunks(self):
        while True:
            yield b"x" * 1000
"""


async def always_204(peer: Peer) -> None:
    while await peer.request():
        await peer.answer(204)


class GenieDigest:
    """Digest with a nonce per connection and a quoted qop list, as GenieACS does it."""

    def __init__(self, challenge: str = 'qop="auth,auth-int"', password: str = "acs-pass") -> None:
        self.challenge = challenge
        self.password = password
        self.close_after_401 = False
        self.body_of_401 = b"<html>who are you?</html>"

    async def __call__(self, peer: Peer) -> None:
        nonce = f"{peer.number:02x}" * 16
        while request := await peer.request():
            if digest_is_right(request, nonce, self.password):
                await peer.answer(200, b"<ok/>")
                continue
            challenge = f'Digest realm="GenieACS",{self.challenge},nonce="{nonce}"'
            more = ["Connection: close"] if self.close_after_401 else []
            await peer.answer(401, self.body_of_401, "WWW-Authenticate: " + challenge, *more)
            if self.close_after_401:
                return


THREE_POSTS = """
async def main():
    c = client()
    for _ in range(3):
        await post(c)
    c.drop()
    print(open_sockets())
"""


async def basic_only(peer: Peer) -> None:
    while request := await peer.request():
        if request.one("authorization") == "Basic Y3BlOmFjcy1wYXNz":
            await peer.answer(204)
        else:
            await peer.answer(401, b"", 'WWW-Authenticate: Basic realm="acs"')
