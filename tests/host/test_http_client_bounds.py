"""The HTTP client in MicroPython against a server on loopback: memory, sockets, names and TLS."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.host.acs_script import GenieDigest, Peer, always_204, basic_only, one_post, run

# CWMP-09


@pytest.mark.parametrize("kind", ["length", "chunked", "close"])
def test_cwmp_09_five_megabytes_are_refused(kind: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        if kind == "length":
            await peer.answer(200, b"x" * 5_000_000)
            return
        chunked = kind == "chunked"
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        await peer.send(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
        for _ in range(5000):
            await peer.send((b"3e8\r\n" if chunked else b"") + b"x" * 1000 + b"\r\n" * chunked)

    got = run(one_post(), handler)
    assert got.lines == [["failed", "body too large", 0, None], 0]


def test_cwmp_09_limit_is_configurable_and_memory_stays_flat() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(200, b"x" * 5_000_000)

    got = run(
        """
class Count:
    def __init__(self): self.size = 0
    def __call__(self): return self.take
    def take(self, piece): self.size += len(piece)

from cwmp.runtime import http_open, http_receive, http_send
from cwmp.wire import http_head
async def main():
    c = client(body_limit=6000000)
    count = Count()
    gc.collect()
    before = gc.mem_alloc()
    print(await c.post(INFORM, count))
    gc.collect()
    print(gc.mem_alloc() - before)
    print(count.size)
""",
        handler,
    )
    status, growth, size = got.lines
    assert (status, size) == (200, 5_000_000)
    assert growth < 4096


def test_cwmp_09_401_page_of_any_size_does_not_stop_authentication() -> None:
    genie = GenieDigest('qop="auth"')
    genie.body_of_401 = b"x" * 200_000

    async def handler(peer: Peer) -> None:
        # One nonce for all connections: the page is not read to its end, so a new one is made.
        peer.number = 7
        await genie(peer)

    got = run(one_post(), handler)
    assert got.lines == [[200, "<ok/>", 1], 0]
    assert got.connections == 2


def test_cwmp_09_large_request_is_streamed() -> None:
    got = run(
        """
class Big:
    length = None
    def chunks(self):
        scratch = bytearray(777)
        for turn in range(2000):
            for at in range(0, 777, 97):
                scratch[at] = turn & 255
            yield memoryview(scratch)

class BigSized(Big):
    length = 777 * 2000

async def main():
    c = client()
    await post(c, Big())
    await post(c, BigSized())
    c.drop()
""",
        always_204,
    )
    expected = bytearray()
    for turn in range(2000):
        piece = bytearray(777)
        piece[::97] = bytes([turn & 255]) * len(piece[::97])
        expected += piece
    assert got.lines == [[204, "", 0]] * 2
    assert [r.body == expected for r in got.seen] == [True, True]
    assert got.seen[0].one("transfer-encoding") == "chunked"
    assert got.seen[1].one("content-length") == str(len(expected))


@pytest.mark.parametrize("length", [3, 30])
def test_cwmp_09_body_of_another_length_than_announced_fails(length: int) -> None:
    async def handler(peer: Peer) -> None:
        await peer.reader.read()

    got = run(one_post(body=f"Body(b'0123456789', length={length})"), handler)
    assert got.lines == [["failed", "body length", 0, None], 0]


# Pitfalls


def test_b20_names_are_resolved_once_and_again_after_a_failure() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = probe.getsockname()[1]
    got = run(
        f"""
asked = []
def lookup(host, port, *more):
    asked.append(host)
    if host == "gone.example":
        raise OSError("[addrinfo error -2]")
    return socket.getaddrinfo("127.0.0.1", port, *more)

async def main():
    global resolver
    resolver = Resolver(lookup)
    url = URL.replace("127.0.0.1", "acs.example")
    for _ in range(3):
        await post(client(url))
    print(len(asked))
    for _ in range(2):
        await post(client("http://acs.example:{dead}/"))
    await post(client(url))
    print(len(asked))
    await post(client("http://gone.example/"))
""",
        always_204,
    )
    posts, rest = got.lines[:3], got.lines[3:]
    assert posts == [[204, "", 0]] * 3
    assert rest[0] == 1
    assert rest[1:3] == [["failed", "connect refused", 0, None]] * 2
    assert rest[3] == [204, "", 0]
    assert rest[4] == 4  # each failure forgot the host
    assert rest[5][:2] == ["failed", "cannot resolve gone.example"]


def full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A listening socket whose queue is full: a further connect stays without an answer."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    return listener, fillers


def test_b21_socket_is_closed_when_connecting_times_out() -> None:
    listener, fillers = full_listener()
    port = listener.getsockname()[1]
    got = run(
        f"""
async def main():
    for _ in range(3):
        await post(client("http://127.0.0.1:{port}/", connect_ms=50))
    print(open_sockets())
    print(len(asyncio.core._io_queue.map))
    await post(client())
""",
        always_204,
    )
    assert got.lines == [["failed", "connect timeout", 0, None]] * 3 + [0, 0, [204, "", 0]]
    for sock in [listener, *fillers]:
        sock.close()


@pytest.mark.parametrize(
    ("stage", "reached"),
    [
        ("connect", "c.stream is None"),
        ("response", "not c.untouched and not c.sending"),
        ("body", "answer.made"),
    ],
)
def test_b21_socket_is_closed_when_the_task_is_cancelled(stage: str, reached: str) -> None:
    listener, fillers = full_listener()
    port = listener.getsockname()[1]

    async def handler(peer: Peer) -> None:
        while request := await peer.request():
            if request.body == b"last":
                await peer.answer(204)
            elif stage == "body":
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<s")

    url = f'"http://127.0.0.1:{port}/"' if stage == "connect" else "URL"
    got = run(
        f"""
async def main():
    c = client({url})
    answer = Answer()
    task = asyncio.create_task(c.post(INFORM, answer))
    while not asyncio.core._io_queue.map:
        await asyncio.sleep_ms(1)
    while not {reached}:
        await asyncio.sleep_ms(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print('"cancelled"')
    print(open_sockets())
    for _ in range(10):
        await asyncio.sleep_ms(0)
    print(len(asyncio.core._io_queue.map))
    c = client()
    await post(c, Body(b"last"))
    c.drop()
    print(open_sockets())
""",
        handler,
    )
    assert got.lines == ["cancelled", 0, 0, [204, "", 0], 0]
    for sock in [listener, *fillers]:
        sock.close()


def test_b21_hundred_failures_leave_nothing_behind() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = probe.getsockname()[1]

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<s")
        peer.abort()

    got = run(
        f"""
async def once(url):
    try:
        await client(url).post(INFORM, Answer())
    except HttpFailure:
        return 1

async def main():
    failed = 0
    for turn in range(110):
        if turn == 10:
            gc.collect()
            before = gc.mem_alloc()
        failed += await once(URL) + await once("http://127.0.0.1:{dead}/")
    gc.collect()
    print(failed)
    print(gc.mem_alloc() - before)
    print(open_sockets())
""",
        handler,
    )
    assert got.lines[0] == 220
    assert got.lines[1] < 4096  # a leak would be 200 times something
    assert got.lines[2] == 0


# TLS


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two self-signed certificates for localhost, `good` and `other`, as PEM and DER."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("good", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-days", "3650", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run(
            ["openssl", "x509", "-in", f"{name}.pem", "-outform", "der", "-out", f"{name}.der"],
            cwd=folder,
            check=True,
        )
    return folder


def server_context(certificates: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good.pem", certificates / "good.key")
    return context


def tls_post(certificates: Path, authority: str, more: str = "") -> str:
    return f"""
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    with open({str(certificates / authority)!r}, "rb") as file:
        context.load_verify_locations(cadata=file.read())
    c = client(tls=lambda: context{more})
    await post(c)
    await post(c)
    c.drop()
    print(open_sockets())
"""


def test_cwmp_04_basic_over_tls(certificates: Path) -> None:
    got = run(tls_post(certificates, "good.der"), basic_only, server_context(certificates), "512k")
    assert got.lines == [[204, "", 0]] * 2 + [0]
    assert got.connections == 1 and len(got.seen) == 3


def test_b17_an_unknown_certificate_is_refused(certificates: Path) -> None:
    got = run(
        tls_post(certificates, "other.der"), basic_only, server_context(certificates), "512k"
    )
    assert [line[0] for line in got.lines[:2]] == ["failed", "failed"]
    assert all(line[1].startswith("tls ") for line in got.lines[:2])
    assert got.seen == [] and got.lines[2] == 0


def test_b17_a_certificate_for_another_name_is_refused(certificates: Path) -> None:
    script = tls_post(certificates, "good.der", ", url=URL.replace('localhost', '127.0.0.1')")
    got = run(script, basic_only, server_context(certificates), "512k")
    assert [line[0] for line in got.lines[:2]] == ["failed", "failed"]
    assert got.seen == [] and got.lines[2] == 0


def test_b17_https_without_a_context_is_never_plain(certificates: Path) -> None:
    got = run(one_post(), basic_only, server_context(certificates), "512k")
    assert got.lines == [["failed", "no tls context", 0, None], 0]
    assert got.connections == 0


def test_b23_a_plain_server_on_a_tls_port_has_a_clear_reason(certificates: Path) -> None:
    async def handler(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Plain\r\n\r\n")

    script = tls_post(
        certificates,
        "good.der",
        ", url=URL.replace('http:', 'https:').replace('127.0.0.1', 'localhost')",
    )
    got = run(script, handler, None, "512k")
    assert [line[0] for line in got.lines[:2]] == ["failed", "failed"]
    assert got.lines[2] == 0
