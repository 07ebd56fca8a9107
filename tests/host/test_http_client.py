"""The HTTP client in MicroPython against a server on loopback: requests and responses."""

import asyncio

import pytest
from aiohttp import web

from tests.host.acs_script import (
    ENDLESS,
    ENVELOPE,
    Peer,
    always_204,
    one_post,
    run,
)

# CWMP-01


def test_cwmp_01_envelope_and_empty_post_as_they_stand_on_the_wire() -> None:
    got = run(
        """
async def main():
    c = client()
    await post(c)
    await post(c, EMPTY)
    c.drop()
""",
        always_204,
    )
    inform, empty = got.seen
    assert inform.line == empty.line == "POST /acs?x=1 HTTP/1.1"
    assert inform.body == ENVELOPE
    assert inform.one("content-type") == 'text/xml; charset="utf-8"'
    assert inform.one("soapaction") == ""
    assert inform.one("content-length") == str(len(ENVELOPE))
    assert empty.one("content-length") == "0"
    assert empty.one("content-type") is None and empty.one("soapaction") is None
    assert (inform.one("host") or "").startswith("127.0.0.1:")
    assert got.lines == [[204, "", 0], [204, "", 0]]


def test_cwmp_01_aiohttp_reads_our_requests() -> None:
    """A second opinion on the framing: sized, chunked and empty bodies through another parser."""
    bodies: list[tuple[bytes, str | None]] = []
    peer_port = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        bodies.append((await request.read(), request.headers.get("SOAPAction")))
        if len(bodies) == 2:
            answer = web.StreamResponse()
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            for _ in range(30):
                await answer.write(b"0123456789" * 10)
            return answer
        return web.Response(text="<ok/>", headers={"Set-Cookie": "session=1"})

    async def front(peer: Peer) -> None:
        # Bytes go through untouched, so that the harness can stay the same.
        reader, writer = await asyncio.open_connection("127.0.0.1", peer_port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))

    async def with_aiohttp(peer: Peer) -> None:
        nonlocal peer_port
        app = web.Application()
        app.router.add_post("/acs", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        peer_port = runner.addresses[0][1]
        try:
            await front(peer)
        finally:
            await runner.cleanup()

    got = run(
        """
async def main():
    c = client()
    await post(c)
    await post(c, Body(b"a" * 100, b"", b"b" * 3000, memoryview(b"c" * 10), length=None))
    await post(c, EMPTY)
    await post(c, Body(length=None))
    c.drop()
""",
        with_aiohttp,
    )
    assert bodies == [
        (ENVELOPE, ""),
        (b"a" * 100 + b"b" * 3000 + b"c" * 10, ""),
        (b"", None),
        (b"", ""),
    ]
    assert got.lines == [
        [200, "<ok/>", 1],
        [200, "0123456789" * 300, 1],
        [200, "<ok/>", 1],
        [200, "<ok/>", 1],
    ]


def test_cwmp_01_prepared_request_goes_out_as_it_is() -> None:
    got = run(
        """
async def main():
    ready = prepare(URL, INFORM)
    print(json.dumps(bytes(ready).decode()))
    c = client()
    await post(c, INFORM, ready)
    await post(c, EMPTY, ready)
    c.drop()
    c = client()
    await post(c)
    c.drop()
    print(INFORM.asked)
""",
        always_204,
    )
    ready, *answers, asked = got.lines
    first, second, built = got.seen
    assert (first.head + first.body).decode() == ready
    assert second.body == b""
    assert (built.head, built.body) == (first.head, first.body)
    assert answers == [[204, "", 0]] * 3
    assert asked == 2  # by prepare and by the last post


# CWMP-02


def test_cwmp_02_one_connection_for_the_session() -> None:
    got = run(
        """
async def main():
    c = client()
    for _ in range(5):
        await post(c)
    c.drop()
    print(open_sockets())
""",
        always_204,
    )
    assert got.connections == 1 and len(got.seen) == 5
    assert got.lines[-1] == 0


@pytest.mark.parametrize("how", ["header", "http/1.0", "silently"])
def test_cwmp_02_closed_between_messages_goes_on_anew(how: str) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        if how == "header":
            await peer.answer(200, b"<a/>", "Connection: close")
        elif how == "http/1.0":
            await peer.send(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n<a/>")
        else:
            await peer.answer(200, b"<a/>")

    got = run(
        """
async def main():
    c = client()
    for _ in range(3):
        await post(c)
        while c.stream is not None and c.stream.idle(bytearray(1)):
            await asyncio.sleep_ms(1)
    c.drop()
    print(open_sockets())
""",
        handler,
    )
    assert got.connections == 3 and len(got.seen) == 3
    assert got.lines == [[200, "<a/>", 1]] * 3 + [0]


def test_cwmp_02_what_a_server_says_to_an_idle_connection_is_no_answer() -> None:
    first: list[Peer] = []

    async def handler(peer: Peer) -> None:
        first.append(peer)
        while request := await peer.request():
            if request.body == b"ring":
                late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
                await first[0].send(late)
            await peer.answer(200, b"<a/>")

    got = run(
        """
async def main():
    c = client()
    await post(c)
    await post(client(), Body(b"ring"))
    await post(c)
    c.drop()
""",
        handler,
    )
    assert got.lines == [[200, "<a/>", 1]] * 3
    assert [r.connection for r in got.seen] == [0, 1, 2]


@pytest.mark.parametrize("reset", [False, True])
def test_cwmp_02_kept_connection_that_dies_under_a_request_is_replaced_once(reset: bool) -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            if peer.number == 0 and len(peer.seen) == 2:
                if reset:
                    peer.abort()
                return
            await peer.answer(204)

    got = run(
        """
async def main():
    c = client()
    await post(c, Body(b"one"))
    await post(c, Body(b"two"))
    c.drop()
""",
        handler,
    )
    assert [r.body for r in got.seen] == [b"one", b"two", b"two"]
    assert [r.connection for r in got.seen] == [0, 0, 1]
    assert got.lines == [[204, "", 0]] * 2


def test_cwmp_02_no_answer_on_a_new_connection_is_a_failure() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            if len(peer.seen) > 1:
                return
            await peer.answer(204)

    got = run(
        """
async def main():
    c = client()
    await post(c)
    await post(c)
    print(open_sockets())
""",
        handler,
    )
    assert len(got.seen) == 3  # one resend, not more
    assert got.lines[1:] == [["failed", "truncated", 0, None], 0]


def test_cwmp_02_cut_in_the_middle_of_a_response_is_a_failure() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(204)
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<soap>")

    got = run(
        """
async def main():
    c = client()
    await post(c)
    await post(c)
    print(open_sockets())
""",
        handler,
    )
    assert got.connections == 1 and len(got.seen) == 2
    assert got.lines[1:] == [["failed", "truncated", 0, None], 0]


def test_cwmp_02_answer_given_before_the_body_was_read_counts() -> None:
    async def handler(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    got = run(ENDLESS + one_post(body="Endless()"), handler)
    assert got.lines == [["failed", "status 413", 413, None], 0]


@pytest.mark.parametrize("stage", ["accept", "head", "body"])
def test_cwmp_02_silent_server_is_given_up(stage: str) -> None:
    async def handler(peer: Peer) -> None:
        if stage == "accept":
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        else:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\n")
            if stage == "body":
                await peer.send(b"Content-Length: 9\r\n\r\n<s")
        await asyncio.Event().wait()

    got = run(one_post("response_ms=150"), handler)
    assert got.lines == [["failed", "timeout", 0, None], 0]


def test_cwmp_02_drip_does_not_prolong_the_wait() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"X: y\r\n")
            await asyncio.sleep(0.02)

    got = run(one_post("response_ms=150"), handler)
    assert got.lines == [["failed", "timeout", 0, None], 0]


def test_cwmp_02_server_that_does_not_read_is_given_up() -> None:
    async def handler(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    got = run(ENDLESS + one_post("response_ms=300", "Endless()"), handler)
    assert got.lines == [["failed", "timeout", 0, None], 0]


def test_cwmp_02_default_wait_is_at_least_30_s() -> None:
    got = run("async def main():\n    print(client().response_ms)", always_204)
    assert got.lines[0] >= 30000


def test_cwmp_02_other_tasks_run_while_a_long_body_arrives() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.answer(200, b"x" * 200_000)

    got = run(
        """
async def main():
    turns = 0
    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep_ms(0)
    class Drop:
        def __call__(self): return self.take
        def take(self, piece): pass
    task = asyncio.create_task(other())
    c = client(body_limit=1000000)
    print(await c.post(INFORM, Drop()))
    print(turns)
""",
        handler,
    )
    assert got.lines[0] == 200
    assert got.lines[1] > 100


# CWMP-03


def test_cwmp_03_200_without_a_body_counts_as_204() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(200)

    assert run(one_post(), handler).lines == [[200, "", 0], 0]


def test_cwmp_03_chunked_answers_keep_the_connection() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
            await peer.send(b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\n<a>")
            await peer.send(b"\r\n000004\r\n</a>\r\n0\r\nX-Trailer: 1\r\n\r\n")

    got = run(
        """
async def main():
    c = client(buffer=bytearray(64))
    await post(c)
    await post(c)
    c.drop()
""",
        handler,
    )
    assert got.lines == [[200, "<a></a>", 1]] * 2
    assert got.connections == 1


def test_cwmp_03_until_close_answer() -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n<a>text</a>")

    assert run(one_post(), handler).lines == [[200, "<a>text</a>", 1], 0]


def test_cwmp_03_unasked_bytes_end_the_connection() -> None:
    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500 Evil\r\n\r\n"
            )

    got = run(
        """
async def main():
    c = client()
    await post(c)
    await post(c)
    c.drop()
""",
        handler,
    )
    assert got.lines == [[200, "x", 1]] * 2
    assert got.connections == 2
