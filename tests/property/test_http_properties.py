"""The response reader and the challenge parser against any split, any damage and any flood."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from support import DigestClient

from cwmp.wire.cookies import parse_cookie
from cwmp.wire.http import ResponseReader
from cwmp.wire.http_challenge import parse_credentials, usable_digest
from cwmp.wire.http_error import HttpError
from cwmp.wire.url import parse_url

LIMIT = 2000
TOKEN = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


def chunked(body: bytes, sizes: list[int], extension: str, trailers: list[str]) -> bytes:
    out = bytearray()
    for size in sizes:
        part, body = body[:size], body[size:]
        if part:
            out += f"{len(part):X}{extension}\r\n".encode() + part + b"\r\n"
    if body:
        out += f"{len(body):x}\r\n".encode() + body + b"\r\n"
    return bytes(out + b"0\r\n" + "".join(t + "\r\n" for t in trailers).encode() + b"\r\n")


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, int, bytes, bool]:
    """Bytes of a valid response, its status, its body, whether it ends with the connection."""
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    status = draw(st.sampled_from([200, 204, 302, 401, 503]))
    body = draw(st.binary(max_size=300))
    lines = [f"HTTP/1.1 {status} {draw(TOKEN)}"]
    for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=4)):
        lines.append(f"X-{name}: {value}")
    for name, value in draw(st.lists(st.tuples(TOKEN, TOKEN), max_size=3)):
        lines.append(f"Set-Cookie: {name}={value}; Path=/")
    kind = draw(st.sampled_from(["length", "chunked", "close"]))
    if kind == "length":
        lines.append(f"Content-Length: {len(body)}")
        tail = body
    elif kind == "chunked":
        lines.append("Transfer-Encoding: chunked")
        sizes = draw(st.lists(st.integers(1, 60), max_size=6))
        extension = draw(st.sampled_from(["", ";a", ' ; b="c d"']))
        tail = chunked(body, sizes, extension, draw(st.lists(st.just("T: u"), max_size=2)))
    else:
        tail = body
    if status == 204:
        body = tail = b""
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return interim + head + tail, status, body, kind == "close" and status != 204


def run(data: bytes, cuts: list[int], closes: bool) -> tuple[object, ...]:
    """Feed `data` cut at `cuts` through one reused buffer; all that can be seen of the outcome."""
    body = bytearray()
    reader = ResponseReader(body.extend, LIMIT)
    buf = bytearray(len(data) + 1)
    edges = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    left = 0
    try:
        for start, end in itertools.pairwise(edges):
            size = end - start
            buf[:size] = data[start:end]
            used = 0 if reader.complete else reader.feed(buf, 0, size)
            left += size - used
        if closes:
            reader.eof()
    except HttpError as error:
        return ("error", str(error))
    return (reader.status, reader.headers, bytes(body), reader.complete, reader.keep_alive, left)


@given(responses(), st.lists(st.integers(0, 2000), max_size=12))
def test_cwmp_03_any_split_gives_the_same(
    response: tuple[bytes, int, bytes, bool], cuts: list[int]
) -> None:
    data, status, body, closes = response
    whole = run(data, [], closes)
    assert whole[0] == status
    assert whole[2:4] == (body, True)
    assert whole[5] == 0
    assert run(data, cuts, closes) == whole
    assert run(data, list(range(len(data))), closes) == whole


@given(
    responses(),
    st.lists(
        st.tuples(st.integers(0, 2000), st.binary(max_size=6), st.integers(0, 6)), max_size=4
    ),
    st.lists(st.integers(0, 2000), max_size=6),
    st.booleans(),
)
def test_cwmp_08_damage_raises_nothing_but_http_error(
    response: tuple[bytes, int, bytes, bool],
    edits: list[tuple[int, bytes, int]],
    cuts: list[int],
    closes: bool,
) -> None:
    data = response[0]
    for at, text, drop in edits:
        at %= len(data) + 1
        data = data[:at] + text + data[at + drop :]
    whole = run(data, [], closes)
    pieces = run(data, cuts, closes)
    # A piece may show damage earlier than the whole does, but never turn a refusal into a success.
    assert (whole[0] == "error") == (pieces[0] == "error")
    if whole[0] != "error":
        assert pieces == whole


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_cwmp_08_garbage_raises_nothing_but_http_error(data: bytes, cuts: list[int]) -> None:
    for prefix in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        run(prefix + data, cuts, True)


def held(reader: ResponseReader) -> int:
    size = len(reader._line)
    for name, value in reader.headers.items():
        values = value if isinstance(value, list) else [value]
        size += len(name) + sum(len(text) for text in values) + 8 * len(values)
    return size


@settings(max_examples=40)
@given(
    st.sampled_from(
        [
            b"",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: ",
            b"HTTP/1.1 200 OK\r\nConnection: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ]
    ),
    st.one_of(
        st.binary(min_size=1, max_size=30),
        st.sampled_from(
            [
                b"x",
                b"\r\n",
                b"Set-Cookie: a=b\r\n",
                b"Connection: x\r\n",
                b" folded\r\n",
                b"1\r\nx\r\n",
                b"HTTP/1.1 100 Continue\r\n\r\n",
            ]
        ),
    ),
    st.sampled_from([1, 7, 512, 1024]),
)
def test_cwmp_09_a_flood_of_any_kind_is_bounded(start: bytes, block: bytes, step: int) -> None:
    """Whatever is repeated for ever is refused or complete soon, and little is held meanwhile."""
    taken = 0
    reader = ResponseReader(None, LIMIT)
    flood = bytearray(start + block * (40000 // len(block) + 1))
    try:
        while taken < len(flood) and not reader.complete:
            taken = reader.feed(flood, taken, min(taken + step, len(flood)))
            assert held(reader) < 3 * 4096
    except HttpError:
        pass
    else:
        assert reader.complete
    assert taken < 4096 + 16 * LIMIT + 1024


@given(st.text(max_size=200))
def test_cwmp_04_any_challenge_raises_nothing_but_http_error(text: str) -> None:
    for prefix in ("", "Digest ", 'Digest realm="r", nonce="n", '):
        try:
            params = usable_digest(parse_credentials(prefix + text))
        except HttpError:
            continue
        if params is not None:
            auth = DigestClient("user", "password")
            auth.challenge(params)
            assert auth.authorization("POST", "/", "cnonce").startswith("Digest ")


@given(VALUE, VALUE, VALUE, VALUE)
def test_cwmp_04_quoted_texts_survive_a_round_trip(
    user: str, realm: str, nonce: str, opaque: str
) -> None:
    auth = DigestClient(user, "password")
    auth.challenge({"realm": realm, "nonce": "n" + nonce, "opaque": opaque, "qop": "auth"})
    ((scheme, params),) = parse_credentials(auth.authorization("POST", "/", "cnonce"))
    assert scheme == "digest"
    sent = [params[name] for name in ("username", "realm", "nonce", "opaque")]
    assert sent == [user, realm, "n" + nonce, opaque]


@given(st.text(max_size=80), st.sampled_from(["", "http://", "https://a", "http://a:"]))
def test_cwmp_07_any_url_raises_nothing_but_http_error(text: str, prefix: str) -> None:
    try:
        tls, host, port, target = parse_url(prefix + text)
    except HttpError:
        return
    assert 0 < port < 65536 and host and target.startswith("/")
    assert parse_url(f"{'https' if tls else 'http'}://{host}:{port}{target}") == (
        tls,
        host,
        port,
        target,
    )


@given(st.text(max_size=80))
def test_cwmp_06_any_cookie_raises_nothing_but_http_error(text: str) -> None:
    try:
        name, pair = parse_cookie(text)
    except HttpError:
        return
    assert name and (pair is None or pair.startswith(name))
