"""The neighbour of a board on Wi-Fi: what it gives and answers, and that nothing upsets it.

Frames are made and read by dpkt.
"""

import socket

import dpkt
import pytest
from dpkt.dhcp import (
    DHCP_OPT_MSGTYPE,
    DHCP_OPT_REQ_IP,
    DHCPACK,
    DHCPDISCOVER,
    DHCPNAK,
    DHCPOFFER,
    DHCPREQUEST,
)
from hypothesis import given
from hypothesis import strategies as st

from host_tools.lab.ether import MTU, OURS, EtherPeer

US, THEM, ELSEWHERE = "198.18.0.1", "198.18.127.2", "192.0.2.7"
MAC = bytes.fromhex("100100c40a24")
ACCESS_POINT = bytes.fromhex("100100c40a56")  # QEMU's puts its own address into frames
EVERYBODY = b"\xff" * 6


def number(address: str) -> bytes:
    return socket.inet_aton(address)


def packet(source: str, target: str, data: bytes = b"hello", port: int = 9) -> dpkt.ip.IP:
    udp = dpkt.udp.UDP(sport=68, dport=port, data=data, ulen=8 + len(data))
    return dpkt.ip.IP(
        src=number(source), dst=number(target), p=17, data=udp, len=28 + len(data), ttl=64
    )


def framed(body: bytes | dpkt.Packet, kind: int = 0x0800, pad: int = 0) -> bytes:
    whole = dpkt.ethernet.Ethernet(src=ACCESS_POINT, dst=OURS, type=kind, data=bytes(body))
    return bytes(whole) + bytes(pad)


def dhcp(kind: int, wanted: str | None = None, ciaddr: str = "0.0.0.0") -> bytes:
    options = [(DHCP_OPT_MSGTYPE, bytes([kind]))]
    if wanted:
        options.append((DHCP_OPT_REQ_IP, number(wanted)))
    message = dpkt.dhcp.DHCP(
        chaddr=MAC + bytes(10),
        xid=0x1234,
        ciaddr=int.from_bytes(number(ciaddr), "big"),
        opts=options,
    )
    return framed(packet("0.0.0.0", "255.255.255.255", bytes(message), 67))


def answered(peer: EtherPeer) -> tuple[dpkt.dhcp.DHCP, dict[int, bytes]]:
    """The one answer of DHCP, whose sums must be right."""
    (frame,) = peer.take()
    ip = dpkt.ethernet.Ethernet(frame).data
    assert dpkt.in_cksum(bytes(ip)[:20]) == 0
    assert (ip.data.sport, ip.data.dport) == (67, 68)
    message = dpkt.dhcp.DHCP(ip.data.data)
    assert message.xid == 0x1234 and message.chaddr[:6] == MAC
    return message, dict(message.opts)


@pytest.fixture
def peer() -> EtherPeer:
    return EtherPeer(US, THEM, dns="198.18.0.53")


@pytest.fixture
def joined(peer: EtherPeer) -> EtherPeer:
    peer.receive(dhcp(DHCPREQUEST, THEM))
    peer.take()
    assert peer.up
    return peer


def test_the_board_gets_its_address_gateway_and_name_server(peer):
    assert peer.receive(dhcp(DHCPDISCOVER)) is None
    offer, options = answered(peer)
    assert options[DHCP_OPT_MSGTYPE] == bytes([DHCPOFFER]) and not peer.up
    peer.receive(dhcp(DHCPREQUEST, THEM))
    ack, options = answered(peer)
    assert options[DHCP_OPT_MSGTYPE] == bytes([DHCPACK]) and peer.up
    assert offer.yiaddr == ack.yiaddr == int.from_bytes(number(THEM), "big")
    assert options[3] == options[54] == number(US) and options[6] == number("198.18.0.53")


def test_another_address_is_refused_and_its_own_renewed(joined):
    joined.receive(dhcp(DHCPREQUEST, ELSEWHERE))
    answer, options = answered(joined)
    assert options[DHCP_OPT_MSGTYPE] == bytes([DHCPNAK]) and answer.yiaddr == 0
    assert not joined.up
    joined.receive(dhcp(DHCPREQUEST, ciaddr=THEM))
    assert answered(joined)[1][DHCP_OPT_MSGTYPE] == bytes([DHCPACK])


@pytest.mark.parametrize("wanted", [US, ELSEWHERE])
def test_every_address_but_its_own_is_at_ours(joined, wanted):
    question = dpkt.arp.ARP(sha=MAC, spa=number(THEM), tpa=number(wanted))
    joined.receive(framed(question, 0x0806))
    (frame,) = joined.take()
    answer = dpkt.ethernet.Ethernet(frame)
    assert answer.dst == MAC
    assert (answer.data.op, answer.data.sha, answer.data.spa) == (2, OURS, number(wanted))
    assert (answer.data.tha, answer.data.tpa) == (MAC, number(THEM))


def test_a_board_that_asks_for_its_own_address_finds_it_free(joined):
    joined.receive(framed(dpkt.arp.ARP(sha=MAC, tpa=number(THEM)), 0x0806))
    assert joined.take() == []


def test_packets_pass_both_ways_without_what_frames_were_filled_up_with(joined):
    sent = bytes(packet(THEM, ELSEWHERE))
    assert joined.receive(framed(sent, pad=20)) == sent
    back = bytes(packet(ELSEWHERE, THEM))
    assert joined.send(back)
    (frame,) = joined.take()
    assert dpkt.ethernet.Ethernet(frame).dst == ACCESS_POINT and frame[14:] == back


def test_nothing_goes_to_a_board_without_an_address_or_above_the_mtu(peer, joined):
    assert not EtherPeer(US, THEM).send(bytes(packet(ELSEWHERE, THEM)))
    assert joined.send(bytes(MTU)) and not joined.send(bytes(MTU + 1))


def test_packets_of_another_sender_are_not_the_boards(joined):
    assert joined.receive(framed(packet(ELSEWHERE, US))) is None
    assert joined.take() == []


@given(st.binary(max_size=400), st.sampled_from([0x0800, 0x0806, 0x86DD]))
def test_no_frame_upsets_it(body, kind):
    peer = EtherPeer(US, THEM)
    peer.receive(body)
    peer.receive(framed(body, kind))
    assert peer.take() is not None


@given(st.data())
def test_no_damaged_dhcp_upsets_it(data):
    peer = EtherPeer(US, THEM)
    frame = bytearray(dhcp(DHCPREQUEST, THEM))
    for _ in range(data.draw(st.integers(1, 8))):
        frame[data.draw(st.integers(14, len(frame) - 1))] = data.draw(st.integers(0, 255))
    peer.receive(bytes(frame[: data.draw(st.integers(0, len(frame)))]))
    for answer in peer.take():
        assert len(answer) >= 14
