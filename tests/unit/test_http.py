from support import raises

from cwmp.wire.cookies import parse_cookie
from cwmp.wire.http import ResponseReader
from cwmp.wire.http_error import HttpError
from cwmp.wire.request_head import request_head
from cwmp.wire.url import parse_url


class Got:
    """A sink that keeps copies of the pieces."""

    def __init__(self):
        self.data = b""

    def __call__(self, piece):
        self.data += bytes(piece)


def read(data, step=None, limit=1000, closes=False):
    """Feed `data` in pieces of `step` bytes; return (reader, body, bytes left over)."""
    got = Got()
    reader = ResponseReader(got, limit)
    buf = bytearray(data)
    at = 0
    while at < len(buf) and not reader.complete:
        end = len(buf) if step is None else min(at + step, len(buf))
        used = reader.feed(buf, at, end)
        assert used == end or reader.complete
        at = used
    if closes:
        reader.eof()
    return reader, got.data, len(buf) - at


def fails(data, text, limit=1000, closes=True):
    for step in (None, 1, 7):
        error = raises(HttpError, read, data, step, limit, closes)
        assert str(error) == text, (text, str(error))


OK = b"HTTP/1.1 200 OK\r\n"


# URLs


def test_cwmp_01_url_with_port_and_target():
    assert parse_url("http://acs.example:7547/a/b?c=d#e") == (
        False,
        "acs.example",
        7547,
        "/a/b?c=d",
    )


def test_cwmp_01_url_defaults():
    assert parse_url("http://10.0.0.1") == (False, "10.0.0.1", 80, "/")
    assert parse_url("HTTPS://ACS.Example/") == (True, "acs.example", 443, "/")
    assert parse_url("http://acs:/x") == (False, "acs", 80, "/x")


def test_cwmp_01_url_of_an_ipv6_host():
    assert parse_url("http://[2001:DB8::1]:7547/acs") == (False, "2001:db8::1", 7547, "/acs")
    assert parse_url("https://[::1]") == (True, "::1", 443, "/")
    assert parse_url("http://[::ffff:10.0.0.1]:/x") == (False, "::ffff:10.0.0.1", 80, "/x")
    head = request_head("POST", "/acs", "::1", 7547, False, (), 0)
    assert b"\r\nHost: [::1]:7547\r\n" in head
    assert b"\r\nHost: [::1]\r\n" in request_head("POST", "/acs", "::1", 80, False, (), 0)


def test_cwmp_01_url_query_after_authority():
    assert parse_url("http://acs:1?x=/y") == (False, "acs", 1, "/?x=/y")


def test_cwmp_07_url_relative_to_another():
    base = (True, "acs", 9, "/old")
    assert parse_url("/new?a=b", base) == (True, "acs", 9, "/new?a=b")
    raises(HttpError, parse_url, "new", base)
    raises(HttpError, parse_url, "//evil/x", base)


def test_cwmp_07_url_of_another_scheme_is_refused():
    for url in (
        "ftp://a/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "a.example/",
        "",
        "://a/",
    ):
        raises(HttpError, parse_url, url)


def test_cwmp_01_bad_urls():
    for url in (
        "http://",
        "http:///x",
        "http://:80/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:-1/",
        "http://a:8x/",
        "http://u:p@a/",
        "http://[::1/",
        "http://::1]/",
        "http://[]/",
        "http://[acs]/",
        "http://[::1]x/",
        "http://[::1]7547/",
        "http://[::1]:0/",
        "http://[fe80::1%25eth0]/",
        "http://[::g]/",
        "http://a b/",
        "http://a/\r\nX: y",
        "http://a/\u00e9",
        "http://" + "a" * 254 + "/",
        "http://a/" + "x" * 1024,
    ):
        raises(HttpError, parse_url, url)


# Request heads


def test_cwmp_01_head_of_an_envelope_post():
    headers = (("Content-Type", 'text/xml; charset="utf-8"'), ("SOAPAction", ""))
    head = request_head("POST", "/acs", "acs.example", 7547, False, headers, 12)
    assert head == (
        b"POST /acs HTTP/1.1\r\nHost: acs.example:7547\r\n"
        b'Content-Type: text/xml; charset="utf-8"\r\nSOAPAction:\r\nContent-Length: 12\r\n\r\n'
    )


def test_cwmp_01_head_of_an_empty_post():
    head = request_head("POST", "/", "acs", 80, False, (), 0)
    assert head == b"POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 0\r\n\r\n"


def test_cwmp_03_head_of_a_chunked_post():
    head = request_head("POST", "/", "acs", 443, True, (), None)
    assert head == b"POST / HTTP/1.1\r\nHost: acs\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"Host: acs:80\r\n" in request_head("POST", "/", "acs", 80, True, (), None)


def test_cwmp_01_head_takes_no_line_break_from_a_value():
    for value in ("a\r\nX: y", "a\nb", "a\rb", "\r", "\n"):
        raises(HttpError, request_head, "POST", "/", "acs", 80, False, (("Cookie", value),), 0)


# Responses


def test_cwmp_03_body_with_length():
    for step in (None, 1, 3):
        reader, body, left = read(OK + b"Content-Length: 5\r\n\r\nhello", step)
        assert (reader.status, body, left) == (200, b"hello", 0)
        assert reader.complete and reader.keep_alive and not reader.until_close


def test_cwmp_03_bytes_after_the_response_are_left():
    _reader, body, left = read(OK + b"Content-Length: 5\r\n\r\nhelloHTTP")
    assert (body, left) == (b"hello", 4)


def test_cwmp_03_204_has_no_body():
    for step in (None, 1):
        reader, body, _ = read(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", step)
        assert reader.complete and reader.status == 204 and body == b"" and reader.keep_alive


def test_cwmp_03_200_with_zero_length_is_empty():
    reader, body, _ = read(OK + b"Content-Length: 0\r\n\r\n")
    assert reader.complete and body == b"" and reader.keep_alive


def test_cwmp_03_chunked_body():
    data = OK + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A\r\n, world, 1\r\n0\r\n\r\n"
    for step in (None, 1, 2, 5):
        reader, body, left = read(data, step)
        assert reader.complete and body == b"hello, world, 1" and left == 0 and reader.keep_alive


def test_cwmp_03_chunk_extensions_and_trailers():
    data = OK + b"transfer-encoding: chunked\r\n\r\n"
    data += b'3;name="x y";b\r\nabc\r\n2 \r\nde\r\n0;last\r\nX-Sum: 1\r\nSet-Cookie: no=1\r\n\r\n'
    for step in (None, 1, 4):
        reader, body, left = read(data, step)
        assert reader.complete and body == b"abcde" and left == 0
        assert "set-cookie" not in reader.headers


def test_cwmp_03_chunked_with_bare_line_feeds():
    reader, body, _ = read(b"HTTP/1.1 200\nTransfer-Encoding: chunked\n\n1\na\n0\n\n")
    assert reader.complete and reader.status == 200 and body == b"a"


def test_cwmp_03_body_until_close():
    for step in (None, 1):
        reader, body, _ = read(OK + b"\r\nsome text", step)
        assert not reader.complete and reader.until_close and body == b"some text"
        reader.eof()
        assert reader.complete and not reader.keep_alive


def test_cwmp_03_1xx_is_skipped():
    data = b"HTTP/1.1 100 Continue\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
    data += b"HTTP/1.1 102 Processing\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx"
    for step in (None, 1):
        reader, body, _ = read(data, step)
        assert reader.complete and body == b"x" and reader.keep_alive
    fails(b"HTTP/1.1 101 Switching\r\n\r\n", "unasked upgrade")


def test_cwmp_09_1xx_for_ever_is_bounded():
    fails(b"HTTP/1.1 100 Continue\r\n\r\n" * 400, "head too large")


def test_cwmp_02_keep_alive_and_close():
    def alive(head):
        return read(head + b"Content-Length: 0\r\n\r\n")[0].keep_alive

    assert alive(OK)
    assert not alive(OK + b"Connection: close\r\n")
    assert not alive(OK + b"Connection: x\r\nConnection: Keep-Alive, CLOSE\r\n")
    assert not alive(b"HTTP/1.0 200 OK\r\n")
    assert alive(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n")
    assert not read(OK + b"\r\n", closes=True)[0].keep_alive


def test_cwmp_06_several_cookies_are_kept_apart():
    reader, _, _ = read(
        OK + b"Set-Cookie: a=1; Path=/\r\nX: y\r\nset-cookie:b=2\r\nContent-Length: 0\r\n\r\n", 1
    )
    assert reader.headers["set-cookie"] == ["a=1; Path=/", "b=2"]
    assert "x" not in reader.headers


def test_cwmp_06_a_long_cookie_line_is_read():
    cookie = b"session=" + b"x" * 3000
    reader, _, _ = read(OK + b"Set-Cookie: " + cookie + b"\r\nContent-Length: 0\r\n\r\n", 100)
    assert reader.headers["set-cookie"] == [cookie.decode()]


def test_cwmp_06_cookie_pairs():
    assert parse_cookie("session=abc; Path=/; HttpOnly") == ("session", "session=abc")
    assert parse_cookie("a=b=c") == ("a", "a=b=c")
    assert parse_cookie('a="x y"') == ("a", 'a="x y"')
    assert parse_cookie("a=; max-age=0") == ("a", None)
    assert parse_cookie("a=b; Max-Age=-1") == ("a", None)
    assert parse_cookie("a=b; Max-Age=60") == ("a", "a=b")
    for value in ("", "a", "=b", ";a=b"):
        raises(HttpError, parse_cookie, value)


def test_cwmp_04_several_challenges_and_a_folded_one():
    data = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n"
    data += b'WWW-Authenticate: Digest realm="y",\r\n\tnonce="z"\r\n'
    data += b"X: y\r\n z\r\nContent-Length: 0\r\n\r\n"
    for step in (None, 1):
        reader, _, _ = read(data, step)
        assert reader.headers["www-authenticate"] == [
            "Basic realm=x",
            'Digest realm="y", nonce="z"',
        ]


def test_cwmp_08_first_retry_after_and_location():
    data = b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nRetry-After: 1\r\nLocation: http://a/\r\n\r\n"
    reader, _, _ = read(data)
    assert reader.head_complete and reader.status == 503
    assert reader.headers["retry-after"] == "60" and reader.headers["location"] == "http://a/"


def test_cwmp_08_not_http():
    for data in (
        b"<html>hello</html>",
        b"<html>\r\n</html>\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/1.x 200 OK\r\n\r\n",
        b"HTTP/1.1x200 OK\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    ):
        fails(data, "not http")


def test_cwmp_08_bad_headers():
    for line in (b"nothing", b": x", b"Content-Length : 3", b"Location: a\rb", b"Location: \xff"):
        fails(OK + line + b"\r\n\r\n", "bad header")
    fails(OK + b"Location: a\0b\r\n\r\n", "bad header")
    # What goes back to the ACS: no request of ours may have a control character either.
    fails(OK + b"Set-Cookie: sessi\x7fn=a\r\n\r\n", "bad header")
    fails(OK + b'WWW-Authenticate: Digest nonce="\x7f"\r\n\r\n', "bad header")
    fails(OK + b"Set-Cookie: a=b; Max-Age=0\x1d\r\n\r\n", "bad header")


def test_cwmp_08_bad_lengths():
    for value in (b"-1", b"+1", b"", b"x", b"0x1", b"1 2", b"1,2", b"99999999999", b"\xc2\xb2"):
        fails(OK + b"Content-Length: " + value + b"\r\n\r\n", "bad content-length")
    fails(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad content-length")
    assert read(OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx")[1] == b"x"


def test_cwmp_08_two_kinds_of_length():
    fails(OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "two body lengths")
    for value in (b"gzip, chunked", b"chunked, chunked", b"identity", b""):
        fails(OK + b"Transfer-Encoding: " + value + b"\r\n\r\n", "unknown transfer coding")
    twice = b"Transfer-Encoding: chunked\r\n" * 2
    fails(OK + twice + b"\r\n", "unknown transfer coding")


def test_cwmp_08_bad_chunks():
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    for body in (b"\r\n", b"x\r\n", b"-1\r\n", b"1\r\nab\r\n", b"000000001\r\n", b";x\r\n"):
        fails(head + body, "bad chunk")
    fails(head + b"1\r\na\r\r\n", "bad chunk")


def test_cwmp_08_truncated():
    whole = OK + b"Content-Length: 5\r\n\r\nhello"
    for size in range(1, len(whole)):
        error = raises(HttpError, read, whole[:size], None, 1000, True)
        assert str(error) == "truncated", size
    whole = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for size in range(1, len(whole)):
        error = raises(HttpError, read, whole[:size], None, 1000, True)
        assert str(error) == "truncated", size


def test_cwmp_09_body_limit():
    fails(OK + b"Content-Length: 11\r\n\r\n", "body too large", 10, False)
    fails(OK + b"Content-Length: 9999999999\r\n\r\n", "body too large", 10, False)
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    fails(chunked + b"b\r\n", "body too large", 10, False)
    fails(chunked + b"ffffffff\r\n", "body too large", 10, False)
    fails(chunked + b"6\r\n123456\r\n5\r\n", "body too large", 10, False)
    fails(OK + b"\r\n12345678901", "body too large", 10, False)
    assert read(OK + b"Content-Length: 10\r\n\r\n1234567890", limit=10)[1] == b"1234567890"
    assert read(chunked + b"A\r\n1234567890\r\n0\r\n\r\n", limit=10)[1] == b"1234567890"
    assert read(OK + b"\r\n1234567890", None, 10, True)[1] == b"1234567890"


def test_cwmp_09_head_limit():
    fails(OK + b"X: y\r\n" * 700, "head too large")
    fails(OK + b"X: " + b"y" * 5000, "head too large")
    fails(b"\r\n" * 3000, "head too large")
    fails(OK + b"X: " + b"y" * 1100 + b"\r\n\r\n", "header too long")
    fails(b"HTTP/1.1 200 " + b"O" * 1100 + b"\r\n\r\n", "not http")


def test_cwmp_09_chunk_extensions_and_trailers_are_bounded():
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    fails(head + b"1;" + b"x" * 5000, "head too large")
    fails(head + b"1;abcdefgh\r\nx\r\n" * 600, "head too large")
    fails(head + b"0\r\n" + b"X: y\r\n" * 1000, "head too large")


def test_cwmp_09_many_small_chunks_cost_no_budget():
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    reader, body, _ = read(head + b"1\r\nx\r\n" * 6000 + b"0\r\n\r\n", 1000, 6000)
    assert reader.complete and len(body) == 6000


def test_cwmp_09_no_sink_drops_the_body():
    reader = ResponseReader(None, 10)
    data = bytearray(OK + b"Content-Length: 3\r\n\r\nabc")
    assert reader.feed(data, 0, len(data)) == len(data) and reader.complete


def test_b6_stale_bytes_of_a_reused_buffer_are_not_read():
    got = Got()
    reader = ResponseReader(got, 100)
    buf = bytearray(64)
    for piece in (OK + b"Content-", b"Length: 4\r\n\r\nab", b"c", b"d"):
        buf[: len(piece)] = piece
        assert reader.feed(buf, 0, len(piece)) == len(piece)
    assert reader.complete and got.data == b"abcd"
