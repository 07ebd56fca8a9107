"""Captures as users have them: containers, link types, VLANs, fragments, holes, cut packets."""

import random
import struct

import pytest

from host_tools.capture import explain, packets, read, streams
from host_tools.capture.pcapng import PcapngWriter
from tests.host.capture_scenes import (
    ACS,
    BINDING,
    CPE,
    PASSWORD,
    PUBLIC,
    START_NS,
    STUN,
    Scene,
    address_value,
    answer,
    attribute,
    datagram,
    envelope,
    inform,
    post,
    signed,
    stun,
)

MAC = bytes.fromhex("020000000001020000000002")
LINKS = {
    "ethernet": (1, MAC + b"\x08\x00"),
    "vlan": (1, MAC + b"\x81\x00\x00\x07\x08\x00"),
    "double vlan": (1, MAC + b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00"),
    "pppoe": (1, MAC + b"\x88\x64\x11\x00\x00\x01\x00\x00\x00\x21"),
    "cooked v1": (113, b"\0\0\0\1\0\6" + MAC[:6] + b"\0\0\x08\x00"),
    "cooked v2": (276, b"\x08\x00\0\0\0\0\0\3\0\1\0\6" + MAC[:6] + b"\0\0"),
    "null little": (0, b"\2\0\0\0"),
    "null big": (0, b"\0\0\0\2"),
    "loop": (108, b"\0\0\0\2"),
    "raw": (101, b""),
    "raw (old number)": (12, b""),
    "raw ipv4": (228, b""),
    "ppp": (9, b"\xff\x03\x00\x21"),
    "ppp compressed": (50, b"\x21"),
}
IDENTIFIER = bytes(range(16))
STORY = [  # a binding and a Connection Request
    packets.udp(CPE, STUN, stun(1, IDENTIFIER, BINDING), 1),
    packets.udp(STUN, CPE, stun(0x0101, IDENTIFIER, attribute(1, address_value(PUBLIC))), 2),
    packets.udp(STUN, CPE, datagram(signed()), 3),
]


def pcap(linktype, frames, order="<", magic=0xA1B2C3D4, head=16):
    """A pcap file of (bytes, original length) frames, one second apart."""
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, linktype)
    unit = 1 if magic == 0xA1B23C4D else 1000
    for index, (frame, length) in enumerate(frames):
        fraction = 5_000_000 // unit
        data += struct.pack(order + "IIII", 1_700_000_000 + index, fraction, len(frame), length)
        data += bytes(head - 16) + frame
    return data


def whole(frames):
    return [(frame, len(frame)) for frame in frames]


def told(tmp_path, content):
    path = tmp_path / "user.pcap"
    path.write_bytes(content)
    return explain.story(path, PASSWORD)


def check_story(story):
    assert [exchange.mapped for exchange in story.stun] == [PUBLIC]
    assert [request.verdict for request in story.requests] == ["accepted"]


@pytest.mark.parametrize("name", LINKS)
def test_link_types(tmp_path, name):
    linktype, header = LINKS[name]
    frames = [header + packet + b"\0" * 6 for packet in STORY]  # with Ethernet's padding
    story = told(tmp_path, pcap(linktype, whole(frames)))
    check_story(story)
    assert story.notes == []


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "head"), [(0xA1B2C3D4, 16), (0xA1B23C4D, 16), (0xA1B2CD34, 24)])
def test_pcap_flavours(tmp_path, order, magic, head):
    story = told(tmp_path, pcap(101, whole(STORY), order, magic, head))
    check_story(story)
    assert story.first_ns == START_NS + 5_000_000


def block(order, kind, body):
    size = 12 + len(body)
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


@pytest.mark.parametrize("order", "<>")
def test_pcapng_both_orders_old_blocks_and_two_sections(tmp_path, order):
    section = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    ethernet = block(order, 1, struct.pack(order + "HHI", 1, 0, 0))
    milliseconds = struct.pack(order + "HHBxxxI", 9, 1, 3, 0)
    raw = block(order, 1, struct.pack(order + "HHI", 101, 0, 0) + milliseconds)
    unknown = block(order, 0x0BAD, b"whatever")

    def packet(kind, interface, ticks, data):
        high, low, size = ticks >> 32, ticks & 0xFFFFFFFF, len(data)
        if kind == 6:
            head = struct.pack(order + "IIIII", interface, high, low, size, size)
        else:
            head = struct.pack(order + "HHIIII", interface, 0, high, low, size, size)
        return block(order, kind, head + data + bytes(-size % 4))

    one = packet(6, 1, 1_700_000_000_500, STORY[0])
    two = packet(2, 0, 1_700_000_000_600_000, LINKS["vlan"][1] + STORY[1])
    again = section + raw + packet(6, 0, 1_700_000_000_700, STORY[2])
    story = told(tmp_path, section + ethernet + raw + one + unknown + two + again)
    check_story(story)
    assert [step.time_ns - START_NS for step in story.steps] == [500e6, 600e6, 700e6]


def test_simple_packet_blocks_have_no_time_and_are_read(tmp_path):
    section = block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    content = section + block("<", 1, struct.pack("<HHI", 101, 0, 0))
    for packet in STORY:
        body = struct.pack("<I", len(packet)) + packet + bytes(-len(packet) % 4)
        content += block("<", 3, body)
    check_story(told(tmp_path, content))


def test_a_file_that_ends_early_is_told_up_to_there(tmp_path):
    content = pcap(101, whole(STORY))
    story = told(tmp_path, content[:-10])
    assert len(story.stun) == 1 and story.requests == []
    assert any("ends in the middle of a packet, after frame 2" in note for note in story.notes)


def test_a_damaged_length_ends_the_reading(tmp_path):
    content = bytearray(pcap(101, whole(STORY)))
    struct.pack_into("<I", content, 24 + 8, 0x7FFFFFFF)
    story = told(tmp_path, bytes(content))
    assert any("damaged after frame 0" in note for note in story.notes)


def test_snap_length_is_said_and_a_cut_request_is_not_called_forged(tmp_path):
    path = tmp_path / "cut.pcapng"
    writer = PcapngWriter(path)
    writer.add_interface("eth0")
    writer.packet(0, START_NS, STORY[2][:96], original_length=len(STORY[2]))
    writer.close()
    story = explain.story(path, PASSWORD)
    assert any("cut by the capture's snap length (first: frame 1)" in n for n in story.notes)
    (request,) = story.requests
    assert "unchecked" in [check.mark for check in request.checks]


def fragments(packet, size):
    """An IPv4 packet in fragments of `size` payload bytes (a multiple of 8)."""
    body = packet[20:]
    made = []
    for start in range(0, len(body), size):
        part = body[start : start + size]
        more = 0x2000 if start + size < len(body) else 0
        head = bytearray(packet[:20])
        struct.pack_into("!HxxH", head, 2, 20 + len(part), more | start // 8)
        struct.pack_into("!H", head, 10, 0)
        struct.pack_into("!H", head, 10, packets.checksum(bytes(head)))
        made.append(bytes(head) + part)
    return made


def test_fragments_are_put_together_in_any_order(tmp_path):
    parts = fragments(STORY[2], 48)
    assert len(parts) > 2
    random.Random(3).shuffle(parts)
    story = told(tmp_path, pcap(101, whole([*STORY[:2], *parts])))
    check_story(story)
    assert "1 fragmented IPv4 packets were put together" in story.notes


def test_an_incomplete_set_of_fragments_is_said(tmp_path):
    parts = fragments(STORY[2], 48)
    story = told(tmp_path, pcap(101, whole([parts[0], parts[-1]])))
    assert story.requests == []
    assert any("in fragments is incomplete (UDP, " in note for note in story.notes)


def test_other_traffic_is_counted_not_explained(tmp_path):
    ipv6 = MAC + b"\x86\xdd" + b"\x60" + bytes(39)
    arp = MAC + b"\x08\x06" + bytes(28)
    icmp = bytearray(MAC + b"\x08\x00" + STORY[0])
    icmp[14 + 9] = 1
    short = MAC + b"\x08\x00\x45\x00"
    frames = [ipv6, arp, bytes(icmp), short, MAC[:5]]
    story = told(tmp_path, pcap(1, whole(frames)))
    text = " ".join(story.notes)
    for reason in ("IPv6", "ARP", "neither UDP nor TCP", "damaged IPv4 header", "link layer"):
        assert reason in text
    assert story.steps == []


def test_an_unknown_link_type_is_named(tmp_path):
    story = told(tmp_path, pcap(147, whole(STORY)))
    assert story.notes == ["3 packets skipped: link type 147"]


def test_a_packet_seen_on_two_interfaces_counts_once(tmp_path):
    frames = []
    for packet in STORY:
        for index in (2, 3):
            cooked = bytearray(LINKS["cooked v2"][1])
            cooked[7] = index
            frames.append(bytes(cooked) + packet)
    path = tmp_path / "any.pcapng"
    writer = PcapngWriter(path)
    writer.add_interface("any", linktype=276)
    for index, frame in enumerate(frames):
        writer.packet(0, START_NS + index * 1000, frame)
    writer.close()
    story = explain.story(path, PASSWORD)
    check_story(story)
    assert story.stun[0].sends == 1
    assert story.requests[0].frames == [5, 6]
    assert "3 datagrams were seen on two interfaces: counted once" in story.notes


def session_packets():
    """The packets of a whole session, by the recorder's own hand."""
    body = inform("6 CONNECTION REQUEST") + b" " * 4000
    dialog = [
        (True, post(body)),
        (False, answer(envelope("InformResponse") + b" " * 4000)),
        (True, post(b"")),
        (False, answer(status="204 No Content")),
    ]
    client = (PUBLIC[0], 51000)
    seq = {True: 0xFFFFF000, False: 0x7FFFFFF0}  # both wrap or change sign on the way
    made = [packets.tcp(client, ACS, seq[True] - 1, 0, packets.SYN, b"", 1)]
    for from_client, data in dialog:
        ends = (client, ACS) if from_client else (ACS, client)
        for start in range(0, len(data), 500):
            part = data[start : start + 500]
            made.append(
                packets.tcp(*ends, seq[from_client], seq[not from_client], packets.ACK, part, 1)
            )
            seq[from_client] += len(part)
    return made


def sessions(tmp_path, packet_list):
    return told(tmp_path, pcap(101, whole(packet_list)))


def test_tcp_sequence_numbers_may_wrap(tmp_path):
    (session,) = sessions(tmp_path, session_packets()).sessions
    assert (session.events, session.end) == (["6 CONNECTION REQUEST"], "complete")


def test_tcp_out_of_order_and_repeated_segments(tmp_path):
    made = session_packets()
    made[2], made[3] = made[3], made[2]
    made.insert(6, made[4])
    story = sessions(tmp_path, made)
    assert story.sessions[0].end == "complete"
    assert any("1 segments repeated, 1 out of order" in note for note in story.notes)


def test_tcp_missing_segment_is_said_and_the_rest_is_told(tmp_path):
    made = session_packets()
    del made[4]  # inside the Inform
    story = sessions(tmp_path, made)
    assert any("500 bytes of the client are missing" in note for note in story.notes)
    texts = " ".join(step.text + str(step.checks) for step in story.steps)
    assert "bytes of its body are missing" in texts
    assert "empty POST" in texts
    assert story.sessions[0].end == "complete"


def test_tcp_capture_that_starts_in_the_middle(tmp_path):
    made = session_packets()
    story = sessions(tmp_path, made[12:])  # no SYN, no start of the Inform
    assert [session.started for session in story.sessions] == [False]
    assert story.sessions[0].end == "complete"


def test_tcp_keepalive_probe_before_the_first_byte(tmp_path):
    made = session_packets()
    probe = packets.tcp((PUBLIC[0], 51000), ACS, 0xFFFFEFFF, 0, packets.ACK, b"\0", 1)
    story = sessions(tmp_path, [made[0], probe, *made[1:]])
    assert story.sessions[0].end == "complete"


def test_tcp_port_used_again_is_a_new_connection(tmp_path):
    path = tmp_path / "reuse.pcapng"
    with Scene(path) as scene:
        scene.session("1 BOOT")
        scene.at += 1000
        scene.session("6 CONNECTION REQUEST")
    capture = read.read(path)
    assert len(streams.connections(capture.segments)) == 2
    events = [session.events for session in explain.story(path).sessions]
    assert events == [["1 BOOT"], ["6 CONNECTION REQUEST"]]


def test_chunked_bodies_and_100_continue(tmp_path):
    path = tmp_path / "chunked.pcapng"
    body = envelope("InformResponse")
    half = len(body) // 2
    pieces = b"".join(
        f"{len(part):x};ext=1\r\n".encode() + part + b"\r\n" for part in (body[:half], body[half:])
    )
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT"), "Expect: 100-continue\r\n"))
        tcp.data(False, b"HTTP/1.1 100 Continue\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        tcp.data(False, head + pieces + b"0\r\nTrailer: x\r\n\r\n")
        tcp.data(True, post(b""))
        tcp.data(False, answer())
    (session,) = explain.story(path).sessions
    assert (session.inform_accepted, session.end) == (True, "complete")


def test_tls_is_named(tmp_path):
    path = tmp_path / "tls.pcapng"
    with Scene(path) as scene:
        scene.recorder.tcp((PUBLIC[0], 51000), ACS).data(True, b"\x16\x03\x01\x02\x00" + bytes(99))
    assert any("is TLS" in note for note in explain.story(path).notes)


@pytest.mark.parametrize(
    "body",
    [
        b"<a",
        b"<a/>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><Envelope/>",
        b"<Envelope><Body/></Envelope>",
    ],
)
def test_cwmp_10_a_body_that_is_no_envelope_is_said(tmp_path, body):
    path = tmp_path / "xml.pcapng"
    with Scene(path) as scene:
        tcp = scene.recorder.tcp((PUBLIC[0], 51000), ACS)
        tcp.data(True, post(inform("1 BOOT")))
        tcp.data(False, answer(body))
    checks = [check for step in explain.story(path).steps for check in step.checks]
    assert "CWMP-10" in [check.id for check in checks if check.mark == "wrong"]
