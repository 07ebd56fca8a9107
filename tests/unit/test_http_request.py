"""Heads of HTTP requests as the doorbell reads them."""

from support import raises

from cwmp.wire.http_request import AUTHORIZATION, BODY, END, KEEP_ALIVE, METHOD, TARGET, read_head

GOOD = b"GET /abc HTTP/1.1\r\nHost: a\r\nAuthorization: Digest x=1\r\n\r\n"


def read(data):
    return read_head(bytearray(data))


def test_tcr_01_a_get_as_any_client_writes_it():
    head = read(GOOD + b"rest")
    assert head[METHOD] == b"GET" and head[TARGET] == b"/abc"
    assert head[AUTHORIZATION] == b"Digest x=1"
    assert head[BODY] == 0 and head[KEEP_ALIVE] and head[END] == len(GOOD)
    assert read(GOOD.replace(b"\r\n", b"\n"))[:5] == head[:5]
    assert read(b"\r\n\r\n" + GOOD)[:5] == head[:5]
    odd = read(b"GET http://h:1/abc HTTP/1.1\r\naUTHORIZATION:Digest y=2\t\r\n\r\n")
    assert odd[TARGET] == b"http://h:1/abc" and odd[AUTHORIZATION] == b"Digest y=2"
    assert read(b"PUT /x HTTP/1.1\r\n\r\n")[:3] == (b"PUT", b"/x", None)


def test_tcr_02_every_piece_of_a_head_waits_for_the_rest():
    for size in range(len(GOOD)):
        assert read(GOOD[:size]) is None, size
    for size in range(4):
        assert read(b"\r\n\r\n"[:size]) is None
    assert read(b"\r\n\r\n" + GOOD[:-2]) is None


def test_tcr_04_the_body_is_told_and_not_read():
    assert read(b"GET / HTTP/1.1\r\nContent-Length: 12\r\n\r\nx")[BODY] == 12
    same = b"GET / HTTP/1.1\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n"
    assert read(same)[BODY] == 7
    chunked = b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
    assert read(chunked)[BODY] == -1


def test_tcr_13_what_keeps_the_connection():
    assert not read(b"GET / HTTP/1.0\r\n\r\n")[KEEP_ALIVE]
    assert not read(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")[KEEP_ALIVE]
    assert not read(b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n")[KEEP_ALIVE]
    assert read(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")[KEEP_ALIVE]


def test_tcr_02_what_is_no_http_is_refused():
    for bad in (
        b"\x16\x03\x01\x02\x00",  # TLS: at its first byte
        b"get / HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 x\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.x\r\n\r\n",
        b"GET / HTTP/1.11\r\n\r\n",
        b"GET x HTTP/1.1\r\n\r\n",
        b"G3T / HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA b: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\x0by\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\ry\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: \r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 12345678901\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    ):
        raises(ValueError, read, bad)
