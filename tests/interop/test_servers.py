"""Debian's stund and coturn, and tshark, against the lab's STUN codec and personalities."""

import asyncio
import json
import struct
import subprocess
from pathlib import Path

import pytest

from host_tools.lab import stun_codec as codec
from host_tools.lab.stun import StunServer
from host_tools.lab.stun_client import BINDING, CHANGE, StunClient, new_id
from host_tools.lab.stun_codec import Address, AttributeType
from tests.interop.servers import ALTERNATE_HOST, RunningServer, require

pytestmark = [pytest.mark.asyncio, pytest.mark.interop]

USER = (AttributeType.USERNAME, b"cpe-0001")
DATA = Path(__file__).resolve().parent.parent / "data"


async def answered(cpe: StunClient, server: RunningServer, data: bytes) -> bool:
    """Whether this request is answered, before one that is sent after it and surely is."""
    cpe.send(data, server.address)
    cpe.send(codec.build(1, marker := new_id(True)), server.address)
    tid = codec.parse((await cpe.receive())[0]).transaction_id
    if tid == data[4:20]:
        assert codec.parse((await cpe.receive())[0]).transaction_id == marker
        return True
    assert tid == marker
    return False


@pytest.mark.parametrize("cookie", [False, True])
async def test_stun_21_stund_and_coturn_tell_our_address(
    stund_server: RunningServer, coturn_server: RunningServer, cookie: bool
) -> None:
    for server in (stund_server, coturn_server):
        with StunClient() as cpe:
            for attributes in ([BINDING], [USER, BINDING, CHANGE]):
                answer, source = await cpe.ask(server.address, attributes, cookie=cookie)
                assert answer.mapped_address == cpe.address
                assert source == server.address
                if cookie:
                    assert answer.xor_mapped_address == cpe.address


async def test_x10_modern_coturn_wants_the_cookie(
    modern_coturn_server: RunningServer,
) -> None:
    with StunClient() as cpe:
        answer, _ = await cpe.ask(modern_coturn_server.address, [BINDING], cookie=True)
        assert answer.mapped_address is None
        assert answer.xor_mapped_address == cpe.address
        request = codec.build(1, new_id(), [BINDING])
        assert not await answered(cpe, modern_coturn_server, request)


@pytest.mark.parametrize("number", [AttributeType.CONNECTION_REQUEST_BINDING, 0xFF01])
@pytest.mark.parametrize("size", [16, 17, 18, 19, 20, 21, 24])
async def test_x6_stund_knows_counted_padding_only(
    stund_server: RunningServer, size: int, number: int
) -> None:
    """What it drops is not a wrong 0xC001 but any attribute with uncounted padding after it: the
    19 bytes without the final space, padded as RFC 5389 has it, are such a one."""
    value = codec.CONNECTION_REQUEST_BINDING_VALUE.ljust(size)[:size]
    with StunClient() as cpe:
        request = codec.build(1, new_id(), [(number, value)])
        assert await answered(cpe, stund_server, request) == (size % 4 == 0)


async def test_x7_stund_signs_with_a_literal_text(stund_server: RunningServer) -> None:
    with StunClient() as cpe:
        answer, _ = await cpe.ask(stund_server.address, [USER, BINDING], key=b"s3cret")
    assert answer.get(AttributeType.MESSAGE_INTEGRITY) == b"hmac-not-implemented"


def probe_for(address: Address) -> list[tuple[int, bytes]]:
    return [
        (AttributeType.RESPONSE_ADDRESS, codec.encode_address(address)),
        (AttributeType.CHANGE_REQUEST, codec.change_request_value(False, False)),
    ]


@pytest.mark.parametrize("cookie", [False, True])
async def test_x9_stund_honours_response_address(
    stund_server: RunningServer, cookie: bool
) -> None:
    with StunClient() as first, StunClient() as second:
        request = codec.build(1, tid := new_id(cookie), probe_for(first.address))
        second.send(request, stund_server.address)
        answer = codec.parse((await first.receive())[0])
        assert answer.transaction_id == tid
        assert answer.mapped_address == second.address
        assert not answer.has(AttributeType.REFLECTED_FROM)


@pytest.mark.parametrize("cookie", [False, True])
async def test_x9_coturn_answers_a_probe_to_its_sender(
    coturn_server: RunningServer, cookie: bool
) -> None:
    with StunClient() as first, StunClient() as second:
        await second.ask(coturn_server.address, probe_for(first.address), cookie=cookie)


ASKED: dict[str, list[tuple[int, bytes]]] = {
    "bare": [],
    "keepalive": [USER, BINDING],
    "change": [BINDING, CHANGE],
    "no flags": [(AttributeType.CHANGE_REQUEST, codec.change_request_value(False, False))],
    "other port": [(AttributeType.CHANGE_REQUEST, codec.change_request_value(False, True))],
    "other host": [(AttributeType.CHANGE_REQUEST, codec.change_request_value(True, False))],
    "both": [(AttributeType.CHANGE_REQUEST, codec.change_request_value(True, True))],
    "unknown optional": [(0xFF01, b"abcd")],
    "unknown mandatory": [(0x7F01, b"abcd")],
    "short binding": [(AttributeType.CONNECTION_REQUEST_BINDING, b"dslforum.org/TR-")],
    "no final space": [(AttributeType.CONNECTION_REQUEST_BINDING, b"dslforum.org/TR-111")],
    "probe": probe_for(("127.0.0.1", 9)),
}


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("personality", "fixture"),
    [
        ("stund", "stund_server"),
        ("coturn-compatible", "coturn_server"),
        ("coturn", "modern_coturn_server"),
    ],
)
async def test_personalities_answer_as_the_real_servers_do(
    personality: str, fixture: str, asked: str, cookie: bool, request: pytest.FixtureRequest
) -> None:
    """Same type, attributes in the same order, and the same corner of the four addresses."""
    real: RunningServer = request.getfixturevalue(fixture)
    lab = StunServer(alternate=(ALTERNATE_HOST, 0), personality=personality)
    async with lab:
        assert lab.alternate is not None
        ours = await heard(lab.address, lab.alternate, ASKED[asked], cookie, 0)
        theirs = await heard(real.address, real.alternate, ASKED[asked], cookie, len(ours))
    assert ours == theirs


async def heard(
    address: Address,
    alternate: Address,
    attributes: list[tuple[int, bytes]],
    cookie: bool,
    expected: int,
) -> list[tuple[int, list[int], tuple[bool, bool]]]:
    """The answers to one request: (type, attributes, whether host and port are the other ones).

    A second request marks the end, but at least `expected` answers are waited for: from another
    port of a server with threads they may come later.
    """
    answers: list[tuple[int, list[int], tuple[bool, bool]]] = []
    with StunClient() as cpe:
        marker = new_id(True)
        cpe.send(codec.build(1, new_id(cookie), attributes), address)
        cpe.send(codec.build(1, marker), address)
        marked = False
        while not marked or len(answers) < expected:
            data, source = await cpe.receive()
            message = codec.parse(data)
            if message.transaction_id == marker:
                marked = True
                continue
            corner = (source[0] == alternate[0], source[1] == alternate[1])
            answers.append((message.message_type, message.numbers, corner))
    return answers


async def test_tshark_decodes_our_bytes(tmp_path: Path) -> None:
    tshark = require("tshark", "tshark")
    requests = [
        codec.build(1, bytes(range(16)), [USER, BINDING, CHANGE], key=b"s3cret"),
        codec.build(1, bytes(range(16)), probe_for(("203.0.113.7", 40000))),
    ]
    async with StunServer(alternate=(ALTERNATE_HOST, 0)) as server:
        with StunClient() as cpe:
            answer, _ = await cpe.ask(server.address, [BINDING])
    error = codec.build(0x0111, bytes(range(16)), [(9, codec.error_value(401))])
    capture = tmp_path / "stun.pcap"
    capture.write_bytes(pcap([*requests, answer.data, error]))
    fields = {
        "type": "classicstun.type",
        "attribute": "classicstun.att.type",
        "address": "classicstun.att.ipv4",
        "port": "classicstun.att.port",
        "class": "classicstun.att.error.class",
        "number": "classicstun.att.error",
    }
    argv = [tshark, "-r", str(capture), "-T", "json"]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=True)
    packets = [flatten(packet) for packet in json.loads(done.stdout, object_pairs_hook=list)]
    read = [{name: packet.get(field, []) for name, field in fields.items()} for packet in packets]
    assert [int(packet["type"][0], 16) for packet in read] == [0x0001, 0x0001, 0x0101, 0x0111]
    attributes = [[int(value, 16) for value in packet["attribute"]] for packet in read]
    assert attributes == [[0x0006, 0xC001, 0xC002, 0x0008], [2, 3], [1, 4, 5], [9]]
    assert (read[1]["address"], read[1]["port"]) == (["203.0.113.7"], ["40000"])
    mapped, source = answer.mapped_address, answer.address(AttributeType.SOURCE_ADDRESS)
    assert mapped is not None and source is not None
    assert read[2]["address"][:2] == [mapped[0], source[0]]
    assert read[2]["port"][:2] == [str(mapped[1]), str(source[1])]
    assert (read[3]["class"], read[3]["number"]) == (["4"], ["1"])


def flatten(node: object) -> dict[str, list[str]]:
    """tshark's JSON as field -> every value, in order."""
    found: dict[str, list[str]] = {}

    def walk(pairs: object) -> None:
        if not isinstance(pairs, list):
            return
        for item in pairs:
            if isinstance(item, tuple) and isinstance(item[1], str):
                found.setdefault(item[0], []).append(item[1])
            elif isinstance(item, tuple):
                walk(item[1])
            else:
                walk(item)

    walk(node)
    return found


def pcap(payloads: list[bytes]) -> bytes:
    """A capture file of raw IPv4 (link type 101) with one UDP datagram to port 3478 each."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for payload in payloads:
        udp = struct.pack("!HHHH", 3478, 3478, 8 + len(payload), 0) + payload
        addresses = bytes((192, 0, 2, 1, 192, 0, 2, 2))
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp
        out += struct.pack("<IIII", 0, 0, len(ip), len(ip)) + ip
    return out
