"""The PPP peer of a board: what it agrees to, what it refuses, and that nothing upsets it."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools.lab import ppp_hdlc
from host_tools.lab.ppp import IPCP, IPV4, LCP, PppPeer
from host_tools.lab.ppp_negotiation import (
    MAX_CONFIGURE,
    MAX_FAILURE,
    RESTART,
    Code,
    Option,
    pack,
    pack_options,
    unpack,
    unpack_options,
)

OURS, THEIRS = "198.18.0.1", "198.18.127.2"
ADDRESS = bytes((198, 18, 127, 2))
NO_ADDRESS = (3, bytes(4))
PACKET = b"\x45" + bytes(40)


class Board:
    """The other end of the line, which answers by hand."""

    def __init__(self, **options) -> None:
        numbers = iter(range(1, 1000))
        self.peer = PppPeer(OURS, THEIRS, magic=lambda: next(numbers), **options)
        self.decoder = ppp_hdlc.Decoder()
        self.now = 100.0
        self.packets: list[bytes] = []

    def say(self, protocol: int, information: bytes) -> None:
        self.packets += self.peer.receive(ppp_hdlc.encode(protocol, information), self.now)

    def heard(self) -> list[tuple[int, int, int, bytes]]:
        """Protocol, code, identifier and data of what the peer sent since."""
        return [
            (protocol, *unpack(information))
            for protocol, information in self.decoder.feed(self.peer.take())
        ]

    def request(self, protocol: int, *options: Option, identifier: int = 1) -> None:
        self.say(protocol, pack(Code.CONFIGURE_REQUEST, identifier, pack_options(list(options))))

    def answers(self, protocol: int, *options: Option) -> list[tuple[int, list[Option]]]:
        """Code and options of the answers to a request."""
        self.request(protocol, *options, identifier=77)
        return [
            (code, unpack_options(data))
            for _, code, identifier, data in self.heard()
            if identifier == 77 and code in (2, 3, 4)
        ]

    def acknowledge(self, heard: list[tuple[int, int, int, bytes]]) -> None:
        for protocol, code, identifier, data in heard:
            if code == Code.CONFIGURE_REQUEST:
                self.say(protocol, pack(Code.CONFIGURE_ACK, identifier, data))

    def open_lcp(self, *options: Option) -> "Board":
        self.request(LCP, *options)
        self.acknowledge(self.heard())
        return self

    def open(self, *options: Option) -> "Board":
        self.open_lcp(*options)
        self.request(IPCP, (3, ADDRESS))
        self.acknowledge(self.heard())
        assert self.peer.up
        return self


def test_a_peer_says_nothing_before_the_board_does() -> None:
    board = Board()
    board.peer.tick(1e9)
    assert board.peer.take() == b"" and board.peer.deadline is None


def test_a_link_opens_and_packets_pass_both_ways() -> None:
    board = Board().open()
    board.say(IPV4, PACKET)
    assert board.packets == [PACKET]
    assert board.peer.send(PACKET)
    assert board.decoder.feed(board.peer.take()) == [(IPV4, PACKET)]


def test_the_board_may_begin_with_its_ack() -> None:
    board = Board()
    board.request(LCP, (9, b"?"))
    (ours, reject) = board.heard()
    assert reject[1] == Code.CONFIGURE_REJECT
    board.acknowledge([ours])
    board.request(LCP)
    assert board.peer.state == "ipcp stopped"


def test_options_that_lwip_asks_for_are_taken() -> None:
    wanted = [(2, bytes(4)), (5, b"\1\2\3\4"), (1, b"\x05\xdc")]
    assert Board().answers(LCP, *wanted) == [(Code.CONFIGURE_ACK, wanted)]


@pytest.mark.parametrize("kind", (7, 8))
def test_header_compression_of_the_link_is_rejected(kind: int) -> None:
    board = Board()
    assert board.answers(LCP, (kind, b""), (2, bytes(4))) == [
        (Code.CONFIGURE_REJECT, [(kind, b"")])
    ]


@pytest.mark.parametrize("option", ((2, b"\0\x2d\x0f\1"), (129, bytes(4)), (131, bytes(4))))
def test_vj_compression_and_name_servers_are_rejected(option: Option) -> None:
    board = Board().open_lcp()
    assert board.answers(IPCP, option, (3, ADDRESS)) == [(Code.CONFIGURE_REJECT, [option])]


def test_authentication_is_rejected() -> None:
    assert Board().answers(LCP, (3, b"\xc0\x23")) == [(Code.CONFIGURE_REJECT, [(3, b"\xc0\x23")])]


def test_a_board_gets_its_address_and_a_name_server_by_nak() -> None:
    board = Board(dns="9.9.9.9").open_lcp()
    assert board.answers(IPCP, NO_ADDRESS, (129, bytes(4))) == [
        (Code.CONFIGURE_NAK, [(3, ADDRESS), (129, bytes((9, 9, 9, 9)))])
    ]
    wanted = [(3, ADDRESS), (129, bytes((9, 9, 9, 9)))]
    assert board.answers(IPCP, *wanted) == [(Code.CONFIGURE_ACK, wanted)]


def test_a_board_that_insists_on_its_address_ends_with_a_reject() -> None:
    board = Board().open_lcp()
    codes = [board.answers(IPCP, (3, b"\1\2\3\4"))[0][0] for _ in range(MAX_FAILURE + 1)]
    assert codes == [Code.CONFIGURE_NAK] * MAX_FAILURE + [Code.CONFIGURE_REJECT]


def test_a_looped_line_is_told_by_its_magic_number() -> None:
    board = Board()
    board.request(LCP)
    magic = dict(unpack_options(board.heard()[0][3]))[5]
    ((code, options),) = board.answers(LCP, (5, magic))
    assert code == Code.CONFIGURE_NAK and options[0][1] != magic


def test_what_the_board_rejects_is_asked_for_no_more() -> None:
    board = Board()
    board.request(LCP)
    ours = board.heard()[0]
    rejected = [option for option in unpack_options(ours[3]) if option[0] == 5]
    board.say(LCP, pack(Code.CONFIGURE_REJECT, ours[2], pack_options(rejected)))
    again = board.heard()[0]
    assert unpack_options(again[3]) == [(2, bytes(4))] and again[2] != ours[2]
    board.acknowledge([again])
    assert board.peer.state == "ipcp stopped"


def test_an_answer_to_an_older_request_counts_for_nothing() -> None:
    board = Board()
    board.request(LCP)
    ours = board.heard()[0]
    board.say(LCP, pack(Code.CONFIGURE_ACK, ours[2] + 1 & 0xFF, ours[3]))
    board.say(LCP, pack(Code.CONFIGURE_ACK, ours[2], ours[3][:-1] + b"?"))
    assert board.peer.state == "lcp ack-sent"


def test_other_protocols_are_rejected_with_what_they_said() -> None:
    board = Board().open()
    board.say(0x8057, b"\1\1\0\4")
    ((protocol, code, _, data),) = board.heard()
    assert (protocol, code, data) == (LCP, Code.PROTOCOL_REJECT, b"\x80\x57\1\1\0\4")


def test_unknown_codes_are_rejected() -> None:
    board = Board().open()
    board.say(IPCP, pack(99, 5, b"what"))
    ((protocol, code, _, data),) = board.heard()
    assert (protocol, code, data) == (IPCP, Code.CODE_REJECT, pack(99, 5, b"what"))


def test_echoes_are_answered_with_our_magic_number() -> None:
    board = Board()
    board.request(LCP)
    heard = board.heard()
    magic = dict(unpack_options(heard[0][3]))[5]
    board.acknowledge(heard)
    board.say(LCP, pack(Code.ECHO_REQUEST, 9, b"\0\0\0\1ping"))
    assert board.heard() == [(LCP, Code.ECHO_REPLY, 9, magic + b"ping")]


def test_a_terminate_request_is_acknowledged_and_the_board_may_begin_again_at_once() -> None:
    board = Board().open()
    board.say(LCP, pack(Code.TERMINATE_REQUEST, 4))
    assert board.heard() == [(LCP, Code.TERMINATE_ACK, 4, b"")]
    assert board.peer.state == "lcp stopped"
    board.open()


def test_a_board_that_was_reset_negotiates_anew() -> None:
    board = Board().open((2, bytes(4)))
    board.say(IPV4, PACKET)
    board.request(LCP, identifier=1)  # as at its first boot
    assert not board.peer.up and not board.peer.send(PACKET)
    board.acknowledge(board.heard())
    board.open()


def test_a_reset_in_the_middle_of_a_frame_costs_that_frame_only() -> None:
    board = Board().open()
    board.packets += board.peer.receive(ppp_hdlc.encode(IPV4, PACKET)[:20], board.now)
    assert board.open().packets == []
    assert board.peer.damaged == 1


def test_nothing_passes_before_ipcp_is_open() -> None:
    board = Board()
    board.say(IPV4, PACKET)
    board.open_lcp()
    board.say(IPV4, PACKET)
    assert board.packets == [] and not board.peer.send(PACKET)


def test_a_packet_longer_than_the_board_takes_is_not_sent() -> None:
    board = Board().open((1, (576).to_bytes(2, "big")))
    assert board.peer.send(bytes(576)) and not board.peer.send(bytes(577))


def test_requests_are_repeated_and_given_up() -> None:
    board = Board()
    board.request(LCP)
    sent = 0
    while board.peer.deadline is not None:
        board.now = board.peer.deadline
        sent += sum(code == Code.CONFIGURE_REQUEST for _, code, _, _ in board.heard())
        board.peer.tick(board.now)
    assert sent == MAX_CONFIGURE and board.now == 100.0 + RESTART * MAX_CONFIGURE
    assert board.peer.state == "lcp stopped"
    board.open()


def test_a_request_is_not_repeated_too_early() -> None:
    board = Board()
    board.request(LCP)
    board.heard()
    board.peer.tick(board.now + RESTART - 0.001)
    assert board.heard() == []


def test_closing_asks_the_board_and_gives_up_when_it_is_silent() -> None:
    board = Board().open()
    board.peer.close(board.now)
    ((_, code, identifier, _),) = board.heard()
    assert code == Code.TERMINATE_REQUEST and not board.peer.up
    board.say(LCP, pack(Code.TERMINATE_ACK, identifier))
    assert board.peer.state == "lcp stopped" and board.peer.deadline is None
    board.open().peer.close(board.now)
    while board.peer.deadline is not None:
        board.now = board.peer.deadline
        board.peer.tick(board.now)
    assert board.peer.state == "lcp stopped"


def test_lcp_escapes_control_characters_whatever_was_agreed() -> None:
    board = Board().open((2, bytes(4)))
    board.peer.take()
    board.peer.send(b"\x45\0\1\2")
    assert b"\x45\0\1\2" in board.peer.take()
    board.say(LCP, pack(Code.ECHO_REQUEST, 1, bytes(4)))
    assert not any(byte < 0x20 for byte in board.peer.take())


# --- HDLC


def test_the_fcs_is_that_of_rfc_1662() -> None:
    # CRC-16/X-25 of "123456789" is the catalogue's check value.
    assert ppp_hdlc.fcs16(b"123456789") ^ 0xFFFF == 0x906E


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=1500)), max_size=4),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.integers(0, 700), max_size=8),
)
def test_frames_arrive_however_the_line_cuts_them(frames, accm: int, sizes: list[int]) -> None:
    line = b"".join(ppp_hdlc.encode(protocol, data, accm) for protocol, data in frames)
    decoder = ppp_hdlc.Decoder()
    assert [frame for piece in cut(line, sizes) for frame in decoder.feed(piece)] == frames
    assert decoder.bad == 0


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_damaged_frame_is_dropped_and_the_next_one_arrives(information: bytes, data) -> None:
    frame = bytearray(ppp_hdlc.encode(IPV4, information))
    frame[data.draw(st.integers(1, len(frame) - 2))] ^= 1 << data.draw(st.integers(0, 7))
    decoder = ppp_hdlc.Decoder()
    found = decoder.feed(bytes(frame) + ppp_hdlc.encode(IPV4, b"next"))
    assert found[-1] == (IPV4, b"next") and (IPV4, information) not in found


def test_noise_without_end_takes_no_memory() -> None:
    decoder = ppp_hdlc.Decoder()
    for _ in range(100):
        assert decoder.feed(b"x" * 10_000) == []
    assert len(decoder._frame) <= ppp_hdlc.LONGEST
    assert decoder.feed(b"~" + ppp_hdlc.encode(IPV4, b"after")) == [(IPV4, b"after")]


# --- whatever comes

PROTOCOLS = st.sampled_from((LCP, IPCP, IPV4, 0x8057, 0xC023))
CONTROL = st.builds(
    pack, st.integers(0, 12), st.integers(0, 255), st.binary(max_size=40)
) | st.binary(max_size=40)
OPTIONS = st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=6)), max_size=5)
REQUESTS = st.builds(
    lambda code, identifier, options: pack(code, identifier, pack_options(options)),
    st.integers(1, 4),
    st.integers(0, 3),
    OPTIONS,
)


@st.composite
def happenings(draw: Callable) -> bytes | float:
    """What the line brings, or how long nothing comes."""
    if draw(st.booleans()):
        return ppp_hdlc.encode(draw(PROTOCOLS), draw(CONTROL | REQUESTS))
    return draw(st.binary(max_size=60) | st.floats(0, 40))


@settings(max_examples=300)
@given(st.lists(happenings(), max_size=20))
def test_after_anything_at_all_a_board_that_is_reset_gets_its_link(events) -> None:
    board = Board()
    for event in events:
        if isinstance(event, bytes):
            for packet in board.peer.receive(event, board.now):
                assert board.peer.up or packet
        else:
            board.now += event
            board.peer.tick(board.now)
        for protocol, information in board.decoder.feed(board.peer.take()):
            assert protocol in (LCP, IPCP, IPV4)
            unpack(information)
    board.peer.receive(b"~", board.now)  # what a board's first flag ends
    for _ in range(2 * MAX_CONFIGURE):
        board.request(LCP)
        board.acknowledge(board.heard())
        board.request(IPCP, (3, ADDRESS))
        board.acknowledge(board.heard())
        if board.peer.up:
            break
        # A request of which a board before the reset knew is sent again in time, no sooner.
        assert board.peer.deadline is not None
        board.now = board.peer.deadline
        board.peer.tick(board.now)
    assert board.peer.up
