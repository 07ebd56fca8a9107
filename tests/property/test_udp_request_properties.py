"""The gate for UDP Connection Requests against the lab's own reading of UCR-01 to 15."""

import hashlib
import hmac
import re
from array import array

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cwmp.core import connection_request as gate
from cwmp.core.connection_request import ConnectionRequestGate
from cwmp.wire import udp_request as wire
from host_tools.lab import udp_request as lab
from tests.property.damage import DAMAGE, damaged

USERNAMES = ["cpe-user", "202BC1-BM632w%2Dx-1", "cpe 1+a/b", "50%zz", "a", "é%41"]
PASSWORD = "cr-pass"
FIELDS = re.compile(rb"(ts|id|un|cn|sig)=([^& ]*)")


def new_gate(username: str, lenient: bool = True, ring=lambda now: True) -> ConnectionRequestGate:
    made = ConnectionRequestGate(ring, lenient)
    made.set_credentials(username, PASSWORD)
    return made


def accepts(datagram: bytes, username: str, lenient: bool) -> bool:
    return new_gate(username, lenient).handle(datagram, len(datagram), 0) == gate.ACCEPTED


def agree(datagram: bytes, username: str) -> bool:
    """Assert that gate and lab agree by both profiles; return what the lenient one says."""
    said = [accepts(datagram, username, lenient) for lenient in (True, False)]
    want = [lab.verify(datagram, username, PASSWORD, strict=strict) for strict in (False, True)]
    assert said == want, datagram
    return said[0]


DIGITS = st.one_of(
    st.integers(0, 2**34).map(str),
    st.integers(0, 10**20 - 1).map(str),
    st.from_regex(r"[0-9]{0,21}", fullmatch=True),
)
# What stands on the wire for cn, and is signed as it stands or decoded.
TEXTS = st.one_of(
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    st.from_regex(r"(?:[a-z0-9+~=?#\x80-\xff-]|%[0-9A-Fa-f]{2}|%){0,12}", fullmatch=True),
    st.integers(200, 257).map(lambda count: "c" * count),  # about the size of the gate's buffer
    st.sampled_from(
        ["c" * 255, "c" * 256, "c" * 257, "%41" * 255, "%41" * 256, "%41" * 257, "a\tb"]
    ),
)
AUTHORITIES = st.one_of(
    st.sampled_from(
        [
            "203.0.113.45:54321",
            "a",
            "a:",
            "a:0",
            "a:65535",
            "a:65536",
            "a:080",
            "[::1]:7547",
            "[]",
            "[::1",
            "[x]",
        ]
        + [
            "[::1]a",
            "a%20b",
            "a%2",
            "a%zz",
            "a!$&'()*+,;=b",
            "u@a",
            "",
            ":80",
            "a:b",
            "a b",
            "a[1]",
            "[1.2.3.4:]:1:2",
        ]
    ),
    st.from_regex(r"[a-f0-9.:%\[\]@~|]{0,8}", fullmatch=True),
)
ESCAPES = st.sampled_from(["raw", "quoted", "lower", "everything"])
RESTS = st.one_of(
    st.sampled_from(
        [
            "\r\nHost: a\r\n\r\n",
            "\r\n\r\n",
            "\r\n",
            "",
            "\n",
            "\nHost: a\n\n",
            "\r",
            "\r\r\n",
            "\n\r",
            "\r\nHost: a",
        ]
        + [
            "\r\nhOST:a\r\n\r\n",
            "\r\nHost a\r\n\r\n",
            "\r\n Host: a\r\n\r\n",
            "\r\nHostt: a\r\n\r\n",
            "\r\nHos: a\r\n\r\n",
        ]
        + [
            "\r\nHost : a\r\n\r\n",
            "\r\n: a\r\n\r\n",
            "\r\nHost: a\r\nX\r\n\r\n",
            "\r\nHost: a\r\n\r\n\r\n",
            "\r\nHost: a\r\n\n",
        ]
        + [
            "\r\nHost: a\r\nContent-Length:" + value + "\r\n\r\n"
            for value in ("0", " 00 ", "", "5", "0 0", "-0", "0\t")
        ]
        + [
            "\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
            "\r\nHost: a\x01\r\n\r\n",
            "\r\nHost: a\r\n\r\nx",
            "\r\nHost: a\rb\r\n\r\n",
        ]
    ),
    st.text("Host: \r\na0", max_size=12).map(lambda text: "\r\n" + text),
)
KEYS = st.one_of(
    st.permutations(["ts", "id", "un", "cn", "sig"]),
    st.lists(st.sampled_from(["ts", "id", "un", "cn", "sig"]), min_size=4, max_size=6),
)
EXTRAS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(
            [
                "x=1",
                "",
                "=",
                "=1",
                "ts",
                "sig",
                "un",
                "ts=",
                "tsx=1",
                "%=1",
                "x=%",
                "x=%4g",
                "\x7f=1",
                "x=\x7f",
            ]
        ),
    ),
    max_size=2,
)


def escape(text: str, how: str) -> bytes:
    data = text.encode()
    if how == "raw":
        return data
    if how == "everything":
        return b"".join(b"%%%02X" % byte for byte in data)
    form = b"%%%02X" if how == "quoted" else b"%%%02x"
    return b"".join(
        b"+"
        if byte == 32
        else bytes([byte])
        if chr(byte).isalnum() and byte < 128
        else form % byte
        for byte in data
    )


@st.composite
def requests(draw: st.DrawFn, username: str) -> bytes:
    """A Connection Request for `username`: right, or a little beside it in one respect."""
    odd = draw(
        st.sampled_from(["", "", "keys", "authority", "rest", "digits", "cn", "extra", "line"])
    )
    sent = {
        "ts": draw(DIGITS if odd == "digits" else st.just("1700000000")).encode(),
        "id": draw(DIGITS if odd == "digits" else st.just("1234")).encode(),
        "un": escape(username, draw(ESCAPES)),
        "cn": draw(TEXTS if odd == "cn" else st.just("9f86d081")).encode("latin-1"),
    }
    meant = dict(sent, un=username.encode(), cn=lab.decoded(sent["cn"]))
    signed = draw(st.sampled_from([sent, meant]))
    text = b"".join(signed[name] for name in ("ts", "id", "un", "cn"))
    digest = hmac.new(PASSWORD.encode(), text, hashlib.sha1).hexdigest()
    sent["sig"] = draw(st.sampled_from([digest, digest.upper()])).encode()
    names = draw(KEYS) if odd == "keys" else ["ts", "id", "un", "cn", "sig"]
    pairs = [name.encode() + b"=" + sent[name] for name in names]
    for at, extra in draw(EXTRAS) if odd == "extra" else ():
        pairs.insert(at, extra.encode())
    method, scheme, path, version = "GET ", "http://", "", " HTTP/1.1"
    if odd == "line":
        method = draw(st.sampled_from(["GET ", "GET  ", "get ", "POST ", "GET\t"]))
        scheme = draw(st.sampled_from(["http://", "HTTP://", "Http://", "https://", "http:/", ""]))
        path = draw(st.sampled_from(["", "/", "//", "/a", "/?", "#"]))
        version = draw(
            st.sampled_from(
                [" HTTP/1.1", " HTTP/1.0", "  HTTP/1.1", " HTTP/1.1 ", "", "\tHTTP/1.1"]
            )
        )
    authority = draw(AUTHORITIES) if odd == "authority" else "203.0.113.45:54321"
    rest = draw(RESTS) if odd == "rest" else "\r\nHost: 203.0.113.45\r\n\r\n"
    front = f"{method}{scheme}{authority}{path}?".encode()
    return front + b"&".join(pairs) + (version + rest).encode()


USERS = st.sampled_from(USERNAMES)
CASES = USERS.flatmap(lambda username: st.tuples(st.just(username), requests(username)))


@given(CASES)
@settings(max_examples=400, deadline=None)
def test_ucr_01_to_15_gate_says_what_the_lab_says(case) -> None:
    username, datagram = case
    agree(datagram, username)


def test_ucr_01_to_15_the_generator_reaches_both_verdicts() -> None:
    # Without this the test above might compare nothing but refusals.
    seen = set()

    @given(CASES)
    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    def look(case) -> None:
        username, datagram = case
        seen.add((username, accepts(datagram, username, True), accepts(datagram, username, False)))

    look()
    assert {(name, True, strict) for name in USERNAMES[:3] for strict in (True, False)} <= seen


@given(CASES, DAMAGE)
@settings(max_examples=400, deadline=None)
def test_ucr_08_damage_never_raises_and_the_lab_agrees(case, damage) -> None:
    username, datagram = case
    agree(damaged(datagram, damage), username)


@given(
    st.one_of(
        st.binary(max_size=60),
        CASES.map(lambda case: damaged(case[1], [])),
        st.just(b"GET http://a?" + b"&" * 1500),
    ),
    DAMAGE,
)
@settings(max_examples=400, deadline=None)
def test_ucr_08_offsets_lie_inside_the_datagram(datagram: bytes, damage) -> None:
    datagram = damaged(datagram, damage)
    for lenient in (0, 1):
        offsets = array("H", bytearray(2 * wire.OFFSETS))
        offsets[wire.LONGEST], offsets[wire.LENIENT], offsets[wire.USERNAME] = 1472, lenient, 8
        text = bytearray(wire.TEXT_SIZE)
        length = wire.read(datagram, len(datagram), (offsets, b"cpe-user", text, bytes(30)))
        assert -wire.WRONG_USERNAME <= length <= wire.TEXT_SIZE
        assert all(offset <= len(datagram) for offset in offsets[: wire.ENCODED])
        if length >= 0:
            spans = list(zip(offsets[0:10:2], offsets[1:10:2], strict=True))
            assert all(start < end for start, end in spans)
            found = dict(FIELDS.findall(datagram.partition(b"?")[2].partition(b" ")[0]))
            assert [datagram[start:end] for start, end in spans] == [
                found[name] for name in (b"ts", b"id", b"un", b"cn", b"sig")
            ]


@given(CASES, st.integers(0, 2**16), st.integers(0, 7))
@settings(max_examples=400, deadline=None)
def test_b1_no_flipped_bit_of_a_covered_byte_is_accepted(case, place: int, bit: int) -> None:
    username, datagram = case
    assume(accepts(datagram, username, True))
    spans = [match.span(2) for match in FIELDS.finditer(datagram)]
    covered = [at for start, end in spans for at in range(start, end)]
    at = covered[place % len(covered)]
    flipped = bytearray(datagram)
    flipped[at] ^= 1 << bit
    case_only = bytes(flipped[at : at + 1]).lower() == datagram[at : at + 1].lower()
    # The case of a hex digit says nothing: in sig, and in an escape of a text signed decoded.
    assume(not (case_only and bytes(flipped[at : at + 1]).lower() in b"abcdef"))
    assert not accepts(bytes(flipped), username, True)
    assert not accepts(bytes(flipped), username, False)


@given(CASES, st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_b6_stale_bytes_behind_the_datagram_are_not_read(case, stale: bytes) -> None:
    username, datagram = case
    for lenient in (True, False):
        fresh = new_gate(username, lenient)
        assert fresh.handle(bytearray(datagram + stale), len(datagram), 0) == new_gate(
            username, lenient
        ).handle(datagram, len(datagram), 0)
