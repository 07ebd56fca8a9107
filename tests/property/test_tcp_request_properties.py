"""The doorbell's request parser and digest against any split, any damage, and any order of use."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.core.tcp_request import STALE, challenge, check, new_state, parameters
from cwmp.wire.http_request import AUTHORIZATION, END, METHOD, TARGET, read_head
from host_tools.lab.digest import parse_pairs
from host_tools.lab.tcp_request import Client, header

TOKEN = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
PATH = "/0123456789abcdef"
PIECES = st.sampled_from(
    [b"GET ", b"/x", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b":", b" ", b"Authorization: Digest ",
     b"Content-Length: ", b"99999999999", b"Transfer-Encoding: chunked", b'"', b"\\", b"=", b",",
     b"\x00", b"\xff", b"HTTP/1.0", b"nonce", b"a" * 100]
)  # fmt: skip


@given(
    st.lists(st.tuples(TOKEN, VALUE), max_size=6),
    st.lists(st.integers(0, 400), max_size=5),
    st.sampled_from(["\r\n", "\n"]),
    st.binary(max_size=30),
)
def test_tcr_01_any_valid_head_is_read_whole_wherever_it_is_cut(headers, cuts, end, rest):
    lines = ["GET /p HTTP/1.1", "Authorization: Digest q"]
    lines += [f"X-{name}: {value}" for name, value in headers]
    data = (end.join(lines) + end + end).encode()
    for cut in cuts:
        assert read_head(bytearray(data[: min(cut, len(data) - 1)])) is None
    head = read_head(bytearray(data + rest))
    assert head[METHOD] == b"GET" and head[TARGET] == b"/p" and head[END] == len(data)
    assert head[AUTHORIZATION] == b"Digest q"


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=25).map(b"".join)))
def test_tcr_02_b11_hostile_heads_end_in_an_answer_or_a_value_error(data):
    try:
        head = read_head(bytearray(data))
    except ValueError:
        return
    if head is not None:
        assert 0 < head[END] <= len(data) and b"\n" not in head[TARGET]


@settings(max_examples=400)
@given(st.one_of(st.binary(max_size=120), st.lists(PIECES, max_size=25).map(b"".join)))
def test_tcr_11_hostile_authorizations_end_in_a_dict_or_a_value_error(data):
    try:
        found = parameters(b"Digest " + data)
    except ValueError:
        return
    assert all(isinstance(value, bytes) for value in found.values())


@given(st.dictionaries(TOKEN.map(str.lower), VALUE, max_size=8))
def test_tcr_11_what_another_writer_wrote_is_read_back(pairs):
    quoted = {name: v for name, v in pairs.items() if name not in ("qop", "nc", "algorithm")}
    text = header(quoted)
    found = parameters(text.encode())
    assert found == {name.encode(): value.encode() for name, value in quoted.items()}
    assert parse_pairs(text[7:]) == quoted


@given(st.integers(0, 400), st.integers(0, 255))
def test_tcr_10_b14_no_damaged_authorization_gets_in(at, byte):
    state = new_state(b"k" * 16)
    client = _client(state, 0, 1)
    good = client.authorization(PATH).encode()
    at %= len(good)
    bad = good[:at] + bytes((byte,)) + good[at + 1 :]
    wrong = check(state, 1, "cpe", "Secret-1", PATH.encode(), bad)
    assert (wrong == "") == (signed(bad) == signed(good))


def signed(data: bytes) -> dict[bytes, bytes | None] | None:
    """What has to be as it was; the rest may say anything."""
    try:
        found = parameters(data)
    except ValueError:
        return None
    names = (b"username", b"realm", b"nonce", b"uri", b"response", b"nc", b"cnonce", b"qop")
    kept = {name: found.get(name) for name in names}
    kept[b"response"] = found.get(b"response", b"").lower()  # hex of either case
    kept[b"algorithm"] = found.get(b"algorithm", b"MD5").lower()
    return kept


def _client(state: list, now: int, number: int) -> Client:
    client = Client("cpe", "Secret-1")
    text = challenge(state, now, number.to_bytes(8, "big"), False).decode()
    client.take(parse_pairs(text.partition(" ")[2]))
    return client


class Model:
    """What a table without bounds would let in."""

    def __init__(self) -> None:
        self.state = new_state(b"k" * 16)
        self.now = 0
        self.clients: list[tuple[Client, int]] = []
        self.sent: list[tuple[str, int, int]] = []  # header, nonce's number, when it was made
        self.accepted: set[str] = set()
        self.last: dict[int, int] = {}

    def check(self, text: str, number: int, made: int) -> None:
        wrong = check(self.state, self.now, "cpe", "Secret-1", PATH.encode(), text.encode())
        assert wrong in ("", STALE)
        assert len(self.state[2]) <= 4
        count = int(parse_pairs(text[7:])["nc"], 16)
        if wrong == "":
            assert text not in self.accepted, "a replay"
            assert self.now - made <= 300000 and count > self.last.get(number, 0)
            self.accepted.add(text)
            self.last[number] = count


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.sampled_from([0, 1, 1000, 100000, 300000])),
            st.tuples(st.just("ask"), st.just(0)),
            st.tuples(st.just("answer"), st.integers(0, 20)),
            st.tuples(st.just("replay"), st.integers(0, 40)),
        ),
        max_size=60,
    )
)
def test_tcr_11_b14_nothing_is_taken_twice_and_a_new_nonce_always_is(steps):
    model = Model()
    for what, number in steps:
        if what == "wait":
            model.now += number
        elif what == "ask":
            model.clients.append((_client(model.state, model.now, len(model.clients)), model.now))
        elif what == "answer" and model.clients:
            which = number % len(model.clients)
            client, made = model.clients[which]
            model.sent.append((client.authorization(PATH), which, made))
            model.check(*model.sent[-1])
        elif what == "replay" and model.sent:
            model.check(*model.sent[number % len(model.sent)])
    model.now += 1
    late = _client(model.state, model.now, 1 << 40)
    assert (
        check(
            model.state,
            model.now,
            "cpe",
            "Secret-1",
            PATH.encode(),
            late.authorization(PATH).encode(),
        )
        == ""
    )
