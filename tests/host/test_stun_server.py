"""The lab STUN server over real UDP on loopback: every personality, every fault, the bindings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from host_tools.lab import stun_codec as codec
from host_tools.lab import stun_faults as faults
from host_tools.lab.stun import Binding, Request, StunServer
from host_tools.lab.stun_client import BINDING, CHANGE, StunClient, new_id
from host_tools.lab.stun_codec import Address, AttributeType, Integrity, Message, StunError
from host_tools.lab.stun_personality import PERSONALITIES

pytestmark = pytest.mark.asyncio

ALTERNATE = ("127.0.0.2", 0)
USERNAME, PASSWORD = "cpe-0001", "s3cret"
KEY = PASSWORD.encode()
USER = (AttributeType.USERNAME, codec.username_value(USERNAME))
ERROR = 0x0111


@asynccontextmanager
async def lab(
    personality: str = "classic", *added: faults.Fault, alternate: Address | None = ALTERNATE
) -> AsyncIterator[tuple[StunServer, StunClient]]:
    server = StunServer(
        personality=personality, credentials={USERNAME: PASSWORD}, alternate=alternate
    )
    server.faults.add(*added)
    async with server, StunClient() as cpe:
        yield server, cpe


async def is_silent(server: StunServer, cpe: StunClient, data: bytes) -> bool:
    """True when the request gets no answer: a later one, sent after it, is answered first."""
    cpe.send(data, server.address)
    await server.wait_request(lambda request: request.data == data)
    cpe.send(codec.build(1, marker := new_id(True), [BINDING]), server.address)
    answer, _ = await cpe.receive()
    return codec.parse(answer).transaction_id == marker


# Personalities (spec 1.8)


@pytest.mark.parametrize("name", PERSONALITIES)
@pytest.mark.parametrize("cookie", [False, True])
async def test_stun_21_every_personality_tells_the_mapped_address(name: str, cookie: bool) -> None:
    async with lab(name) as (server, cpe):
        if name == "coturn" and not cookie:
            assert await is_silent(server, cpe, codec.build(1, new_id(), [BINDING]))
            return
        answer, source = await cpe.ask(server.address, [BINDING], cookie=cookie)
        assert source == server.address
        assert (answer.mapped_address or answer.xor_mapped_address) == cpe.address
        if AttributeType.MAPPED_ADDRESS not in answer.numbers:
            assert name == "coturn"
        if answer.has(AttributeType.XOR_MAPPED_ADDRESS) and cookie:
            assert answer.xor_mapped_address == cpe.address
        layouts = PERSONALITIES[name]
        layout = layouts.cookie_layout if cookie and layouts.cookie_layout else None
        expected = list(layout or layouts.classic_layout)
        optional = (AttributeType.REFLECTED_FROM, AttributeType.USERNAME)
        assert answer.numbers == [number for number in expected if number not in optional]


async def test_x9_response_address_honoured_reflected_from() -> None:
    for name, reflected in (("classic", True), ("stund", False), ("freeacs", False)):
        async with lab(name) as (server, cpe), StunClient() as probe:
            attributes = [
                (AttributeType.RESPONSE_ADDRESS, codec.encode_address(cpe.address)),
                (AttributeType.CHANGE_REQUEST, codec.change_request_value(False, False)),
            ]
            tid = new_id()
            probe.send(codec.build(1, tid, attributes), server.address)
            data, source = await cpe.receive()
            answer = codec.parse(data)
            assert (source, answer.transaction_id) == (server.address, tid)
            assert answer.mapped_address == probe.address
            expected = probe.address if reflected else None
            assert answer.address(AttributeType.REFLECTED_FROM) == expected


@pytest.mark.parametrize("name", ["coturn", "coturn-compatible", "stuntman"])
async def test_x9_response_address_ignored(name: str) -> None:
    async with lab(name) as (server, cpe), StunClient() as other:
        probe = (AttributeType.RESPONSE_ADDRESS, codec.encode_address(other.address))
        _, source = await cpe.ask(server.address, [probe], cookie=True)
        assert source == server.address


async def test_x9_response_address_switched_off_by_a_fault() -> None:
    async with lab() as (server, cpe), StunClient() as other:
        probe = (AttributeType.RESPONSE_ADDRESS, codec.encode_address(other.address))
        ignore = faults.IgnoreResponseAddress()
        server.faults.add(ignore)
        await cpe.ask(server.address, [probe])
        server.faults.remove(ignore)
        cpe.send(codec.build(1, tid := new_id(), [probe]), server.address)
        data, _ = await other.receive()
        assert codec.parse(data).transaction_id == tid


async def test_x9_freeacs_answers_no_probe_without_change_request() -> None:
    async with lab("freeacs") as (server, cpe):
        probe = (AttributeType.RESPONSE_ADDRESS, codec.encode_address(cpe.address))
        assert await is_silent(server, cpe, codec.build(1, new_id(), [probe]))


@pytest.mark.parametrize("name", ["classic", "stund", "coturn-compatible", "stuntman", "freeacs"])
async def test_stun_16_change_request_answers_from_the_alternate_address(name: str) -> None:
    async with lab(name) as (server, cpe):
        assert server.alternate is not None
        primary, other = server.address, server.alternate
        for change_ip in (False, True):
            for change_port in (False, True):
                value = codec.change_request_value(change_ip, change_port)
                answer, source = await cpe.ask(
                    primary, [(AttributeType.CHANGE_REQUEST, value)], cookie=False
                )
                host = other[0] if change_ip else primary[0]
                port = other[1] if change_port else primary[1]
                assert source == answer.address(AttributeType.SOURCE_ADDRESS) == (host, port)
                assert answer.address(AttributeType.CHANGED_ADDRESS) == other


async def test_stun_16_change_request_without_alternate_is_a_bad_request() -> None:
    async with lab(alternate=None) as (server, cpe):
        change = (AttributeType.CHANGE_REQUEST, codec.change_request_value(True, True))
        answer, _ = await cpe.ask(server.address, [change])
        assert answer.error_code == 400
        answer, _ = await cpe.ask(server.address)
        assert answer.numbers == [AttributeType.MAPPED_ADDRESS, AttributeType.SOURCE_ADDRESS]


@pytest.mark.parametrize(
    ("name", "code", "numbers"),
    [
        ("classic", 420, [AttributeType.ERROR_CODE, AttributeType.UNKNOWN_ATTRIBUTES]),
        (
            "coturn",
            420,
            [
                AttributeType.ERROR_CODE,
                AttributeType.UNKNOWN_ATTRIBUTES,
                AttributeType.SOFTWARE,
            ],
        ),
        ("freeacs", None, [AttributeType.UNKNOWN_ATTRIBUTES]),
    ],
)
async def test_stun_35_unknown_mandatory_attribute(
    name: str, code: int | None, numbers: list[int]
) -> None:
    async with lab(name) as (server, cpe):
        answer, _ = await cpe.ask(server.address, [BINDING, (0x7F01, b"abcd")], cookie=True)
        assert answer.message_type == ERROR
        assert answer.error_code == code
        assert answer.numbers == numbers
        assert answer.unknown_attributes == [0x7F01]


async def test_x6_binding_value_without_its_space() -> None:
    """19 bytes: stund drops them for their uncounted padding; others keep no binding for them."""
    short = (AttributeType.CONNECTION_REQUEST_BINDING, b"dslforum.org/TR-111")
    for name in ("stund", "annex-g-demo"):
        async with lab(name) as (server, cpe):
            assert await is_silent(server, cpe, codec.build(1, new_id(), [short]))
    async with lab("classic") as (server, cpe):
        await cpe.ask(server.address, [short])
        assert server.bindings == {}


async def test_x6_freeacs_reads_no_more_than_200_bytes() -> None:
    def sized(total: int) -> bytes:
        return codec.build(1, new_id(), [BINDING, (0xFF00, bytes(total - 20 - 24 - 4))])

    async with lab("freeacs") as (server, cpe):
        assert len(sized(200)) == 200
        assert not await is_silent(server, cpe, sized(200))
    async with lab("freeacs") as (server, cpe):
        assert await is_silent(server, cpe, sized(204))


async def test_x7_stund_answers_integrity_with_a_literal_text() -> None:
    async with lab("stund") as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY)
        assert answer.get(AttributeType.MESSAGE_INTEGRITY) == b"hmac-not-implemented"
        assert answer.numbers[-1] == AttributeType.MESSAGE_INTEGRITY
        answer, _ = await cpe.ask(server.address, [USER, BINDING])
        assert not answer.has_integrity


async def test_stun_31_demo_challenges_binding_change_only() -> None:
    async with lab("annex-g-demo") as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING, CHANGE])
        assert answer.error == (401, "Unauthorized")
        answer, _ = await cpe.ask(server.address, [USER, BINDING])
        assert answer.mapped_address == cpe.address
        answer, _ = await cpe.ask(server.address, [BINDING, CHANGE])
        assert answer.mapped_address == cpe.address


# MESSAGE-INTEGRITY


@pytest.mark.parametrize("variant", [Integrity.PADDED, Integrity.UNPADDED])
async def test_stun_33_classic_takes_both_variants_and_signs_alike(variant: Integrity) -> None:
    async with lab() as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY, integrity=variant)
        assert answer.mapped_address == cpe.address
        assert answer.verified(KEY) == {variant}


async def test_stun_35_credentials_that_do_not_fit() -> None:
    stranger = (AttributeType.USERNAME, b"cpe-0002")
    for attributes, key, code in (
        ([USER, BINDING], b"wrong", 431),
        ([stranger, BINDING], KEY, 430),
        ([BINDING], KEY, 432),
    ):
        async with lab() as (server, cpe):
            answer, _ = await cpe.ask(server.address, attributes, key=key)
            assert (answer.message_type, answer.error_code) == (ERROR, code)
            assert server.bindings == {}
    async with lab() as (server, cpe):
        answer, _ = await cpe.ask(
            server.address, [USER, BINDING], key=KEY, integrity=Integrity.LENGTH_ZERO
        )
        assert answer.error_code == 431


async def test_x8_stuntman_verifies_unpadded_only() -> None:
    async with lab("stuntman") as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY)
        assert answer.error_code == 401
        answer, _ = await cpe.ask(
            server.address, [USER, BINDING], key=KEY, integrity=Integrity.UNPADDED
        )
        assert answer.verified(KEY) == {Integrity.UNPADDED}


@pytest.mark.parametrize("name", ["freeacs", "coturn", "coturn-compatible"])
async def test_stun_30_servers_that_do_not_look_at_integrity(name: str) -> None:
    async with lab(name) as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING], key=b"wrong", cookie=True)
        assert answer.message_type == 0x0101 and not answer.has_integrity


async def test_x8_padded_only_and_unpadded_only() -> None:
    for fault, good, bad in (
        (faults.PaddedOnly(), Integrity.PADDED, Integrity.UNPADDED),
        (faults.UnpaddedOnly(code=401), Integrity.UNPADDED, Integrity.PADDED),
    ):
        async with lab("classic", fault) as (server, cpe):
            answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY, integrity=bad)
            assert answer.error_code == fault.code
            answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY, integrity=good)
            assert answer.verified(KEY) == {good}
            answer, _ = await cpe.ask(server.address, [USER, BINDING])
            assert answer.mapped_address == cpe.address


async def test_x12_stun_30_demand_integrity() -> None:
    async with lab("classic", faults.DemandIntegrity()) as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING])
        assert answer.error_code == 401
        answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY)
        assert answer.verified(KEY)
        assert list(server.bindings) == [USERNAME]


async def test_x12_stun_31_demand_integrity_on_change() -> None:
    async with lab("classic", faults.DemandIntegrityOnChange()) as (server, cpe):
        answer, _ = await cpe.ask(server.address, [USER, BINDING])
        assert answer.message_type == 0x0101
        answer, _ = await cpe.ask(server.address, [USER, BINDING, CHANGE])
        assert answer.error_code == 401
        answer, _ = await cpe.ask(server.address, [USER, BINDING, CHANGE], key=KEY)
        assert answer.verified(KEY)


async def test_x12_stun_34_response_integrity_wrong_missing_or_literal() -> None:
    async with lab() as (server, cpe):

        async def signed(fault: faults.Fault) -> Message:
            server.faults.add(fault)
            answer, _ = await cpe.ask(server.address, [USER, BINDING], key=KEY)
            return answer

        wrong = await signed(faults.WrongResponseIntegrity(next=1))
        assert wrong.has_integrity and not wrong.verified(KEY)
        assert not (await signed(faults.MissingResponseIntegrity(next=1))).has_integrity
        literal = await signed(faults.HmacNotImplemented(next=1))
        assert literal.get(AttributeType.MESSAGE_INTEGRITY) == b"hmac-not-implemented"
        assert list(server.faults) == []


# The other faults


async def raw(fault: faults.Fault, *attributes: tuple[int, bytes]) -> tuple[bytes, bytes, Address]:
    """What a request meets under one fault: (answer, transaction id, the CPE's address)."""
    async with lab("classic", fault) as (server, cpe):
        tid = new_id()
        cpe.send(codec.build(1, tid, attributes or [BINDING]), server.address)
        data, _ = await cpe.receive()
        assert fault.used == 1
        return data, tid, cpe.address


async def test_x12_silence_limited_by_count_and_condition() -> None:
    async with lab() as (server, cpe):
        server.faults.add(faults.Silence(next=2, skip=1, when="keepalive"))
        await cpe.ask(server.address, [BINDING])
        await cpe.ask(server.address, [BINDING, CHANGE])
        binding = await server.wait_binding()
        assert binding.count == 2
        for _ in range(2):
            cpe.send(codec.build(1, new_id(), [BINDING]), server.address)
        answer, _ = await cpe.ask(server.address, [BINDING])
        assert answer.mapped_address == cpe.address
        outcomes = [request.outcome for request in server.log]
        assert outcomes == ["success", "success", "silence", "silence", "success"]
        assert binding.count == 3
        assert list(server.faults) == []


async def test_b12_silence_for_a_whole_transaction_keeps_the_binding_as_it_was() -> None:
    async with lab() as (server, cpe):
        await cpe.ask(server.address, [BINDING])
        binding = await server.wait_binding()
        before = (binding.mapped, binding.last_seen, binding.count)
        silence = faults.Silence()
        server.faults.add(silence)
        request = codec.build(1, new_id(), [BINDING])
        for _ in range(9):  # as often as STUN-40 sends
            cpe.send(request, server.address)
        last = await server.wait_request(lambda request: request.number == 10)
        assert (last.outcome, silence.used) == ("silence", 9)
        assert (binding.mapped, binding.last_seen, binding.count) == before
        server.faults.remove(silence)
        answer, _ = await cpe.ask(server.address, [BINDING])
        assert answer.mapped_address == cpe.address


async def test_x12_lost_answer_still_teaches_the_server() -> None:
    async with lab("classic", faults.LostAnswer(next=1)) as (server, cpe):
        cpe.send(codec.build(1, new_id(), [BINDING]), server.address)
        binding = await server.wait_binding()
        assert binding.mapped == cpe.address
        assert server.log[0].outcome == "silence"


async def test_x12_delay_lets_a_later_answer_overtake() -> None:
    async with lab("classic", faults.Delay(seconds=0.2, next=1)) as (server, cpe):
        first, second = new_id(), new_id()
        for tid in (first, second):
            cpe.send(codec.build(1, tid), server.address)
        order = [codec.parse((await cpe.receive())[0]).transaction_id for _ in range(2)]
        assert order == [second, first]


async def test_x12_duplicate() -> None:
    async with lab("classic", faults.Duplicate(copies=3, next=1)) as (server, cpe):
        cpe.send(codec.build(1, new_id()), server.address)
        answers = [(await cpe.receive())[0] for _ in range(3)]
        assert len(set(answers)) == 1
        assert server.received == 1


async def test_x12_wrong_transaction_id() -> None:
    data, tid, _ = await raw(faults.WrongTransactionId())
    answer = codec.parse(data)
    assert answer.transaction_id != tid and answer.transaction_id[:15] == tid[:15]


async def test_x11_reordered_with_unknown_optional_first() -> None:
    data, _, mapped = await raw(faults.Reordered())
    answer = codec.parse(data)
    assert answer.numbers == [0xFF01, 0x8030, 0xFFFF, 5, 4, 1]
    assert answer.get(0x8030) == b"abc"
    assert answer.mapped_address == mapped


async def test_stun_06_unknown_mandatory_in_the_answer() -> None:
    data, _, mapped = await raw(faults.UnknownMandatory())
    answer = codec.parse(data)
    assert answer.numbers[0] == 0x7F01
    assert answer.mapped_address == mapped


@pytest.mark.parametrize("code", [400, 401, 420, 430, 431, 432, 500, 600, 499, 300, 799])
async def test_stun_35_every_error_code(code: int) -> None:
    data, tid, _ = await raw(faults.ErrorAnswer(code=code))
    answer = codec.parse(data)
    assert (answer.message_type, answer.transaction_id) == (ERROR, tid)
    assert answer.error == (code, codec.REASONS.get(code, "Error"))


async def test_stun_35_420_lists_the_attribute() -> None:
    data, _, _ = await raw(faults.ErrorAnswer(code=420, attribute=0x0002, reason="no"))
    answer = codec.parse(data)
    assert answer.error == (420, "no")
    assert answer.get(AttributeType.UNKNOWN_ATTRIBUTES) == b"\0\2\0\2"


async def test_stun_35_error_without_code() -> None:
    data, _, _ = await raw(faults.ErrorWithoutCode())
    answer = codec.parse(data)
    assert answer.message_type == ERROR
    assert answer.numbers == [AttributeType.UNKNOWN_ATTRIBUTES]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (faults.Truncated(), "differs"),
        (faults.Truncated(length=19), "shorter"),
        (faults.Truncated(length=1), "shorter"),
        (faults.AttributeOverrun(), "longer than the message"),
        (faults.OddLength(), "not a multiple"),
        (faults.Garbage(), "differs|multiple"),
    ],
)
async def test_b11_damaged_answers(fault: faults.Fault, text: str) -> None:
    data, _, _ = await raw(fault)
    assert data[0] == 1
    with pytest.raises(StunError, match=text):
        codec.parse(data)


async def test_b11_zero_length_attributes() -> None:
    data, _, _ = await raw(faults.EmptyAttributes())
    answer = codec.parse(data)
    assert [attribute.value for attribute in answer.attributes] == [b"", b"", b""]


async def test_stun_07_ipv6_family() -> None:
    data, _, _ = await raw(faults.Ipv6Family())
    value = codec.parse(data).get(AttributeType.MAPPED_ADDRESS)
    assert value is not None and value[1] == 2 and len(value) == 20


async def test_stun_21_xor_only() -> None:
    for number in (AttributeType.XOR_MAPPED_ADDRESS, AttributeType.XOR_MAPPED_ADDRESS_DRAFT):
        data, _, mapped = await raw(faults.XorOnly(number=number))
        answer = codec.parse(data)
        assert answer.mapped_address is None and answer.has(number)
        assert answer.xor_mapped_address == mapped


async def test_b10_rebound_shows_a_port_only_change() -> None:
    async with lab("coturn-compatible") as (server, cpe):
        server.faults.add(faults.Rebound(next=1), faults.Rebound(skip=1, host="192.0.2.9", port=7))
        host, port = cpe.address
        answer, _ = await cpe.ask(server.address, cookie=True)
        assert answer.mapped_address == answer.xor_mapped_address == (host, port % 65535 + 1)
        answer, _ = await cpe.ask(server.address, cookie=True)
        assert answer.mapped_address == answer.xor_mapped_address == ("192.0.2.9", 7)


async def test_x11_without_source_and_changed() -> None:
    data, _, _ = await raw(faults.WithoutSourceAndChanged())
    assert codec.parse(data).numbers == [AttributeType.MAPPED_ADDRESS]


async def test_x5_answer_from_another_address_and_port() -> None:
    async with lab("classic", alternate=None) as (server, cpe):
        server.faults.add(faults.FromElsewhere(host="127.0.0.3"))
        _, source = await cpe.ask(server.address)
        assert source[0] == "127.0.0.3" and source[1] != server.address[1]
        server.faults.clear()
        server.faults.add(faults.FromElsewhere())
        _, source = await cpe.ask(server.address)
        assert source[0] == server.address[0] and source[1] != server.address[1]


async def test_x12_faults_combine() -> None:
    delayed = faults.Duplicate(), faults.Delay(seconds=0.01), faults.Reordered()
    async with lab("classic", *delayed) as (server, cpe):
        cpe.send(codec.build(1, new_id(), [BINDING]), server.address)
        first, second = (await cpe.receive())[0], (await cpe.receive())[0]
        assert first == second
        assert codec.parse(first).numbers[0] == 0xFF01


# Bindings, the log, the server's own socket


async def test_stun_12_bindings_follow_the_cpe() -> None:
    seen: list[tuple[Address, bool]] = []

    def note(binding: Binding, changed: bool) -> None:
        seen.append((binding.mapped, changed))

    async with lab() as (server, cpe), StunClient() as moved:
        server.on_binding = note
        await cpe.ask(server.address, [USER, BINDING])
        binding = server.bindings[USERNAME]
        assert (binding.change_seen, binding.count) == (None, 1)
        await cpe.ask(server.address, [USER, BINDING, CHANGE])
        await cpe.ask(server.address, [USER, BINDING])
        await moved.ask(server.address, [USER, BINDING, CHANGE])
        assert seen == [
            (cpe.address, True),
            (cpe.address, False),
            (cpe.address, False),
            (moved.address, True),
        ]
        assert list(server.bindings) == [USERNAME]
        assert (binding.count, binding.mapped) == (4, moved.address)
        assert binding.change_seen == binding.last_seen > binding.first_seen
        await cpe.ask(server.address, [BINDING])
        assert server.bindings[cpe.address].username is None


async def test_stun_10_no_binding_without_the_attribute() -> None:
    async with lab() as (server, cpe):
        await cpe.ask(server.address, [USER])
        assert server.bindings == {}


async def test_x13_send_leaves_from_the_servers_own_socket() -> None:
    async with lab() as (server, cpe):
        waiting = asyncio.create_task(server.wait_binding(predicate=lambda b: b.count == 2))
        for _ in range(2):
            await cpe.ask(server.address, [USER, BINDING])
        binding = await waiting
        server.send(b"GET http://x HTTP/1.1\r\n\r\n", binding.mapped, binding.local)
        assert await cpe.receive() == (b"GET http://x HTTP/1.1\r\n\r\n", server.address)


async def test_stun_23_log_keeps_what_is_no_request() -> None:
    async with lab() as (server, cpe):
        junk = [
            b"",
            b"\0",
            b"hello",
            bytes(20),
            codec.build(0x0101, new_id()),
            codec.build(0x0002, new_id()),
            b"\0\1\0\4" + bytes(16),
        ]
        for data in junk:
            cpe.send(data, server.address)
        last = await server.wait_request(lambda request: request.number == len(junk))
        assert [request.data for request in server.log] == junk
        assert last.message is None and last.outcome.startswith("malformed")
        assert last.source == cpe.address and last.local == server.address
        times = [request.received_at for request in server.log]
        assert times == sorted(times)
        assert server.bindings == {}


async def test_wait_request_since_and_timeout() -> None:
    async with lab() as (server, cpe):
        await cpe.ask(server.address, [BINDING])
        first = await server.wait_request(lambda request: request.is_keepalive)
        with pytest.raises(TimeoutError, match="STUN request"):
            await server.wait_request(timeout=0.01, since=first.number)
        with pytest.raises(TimeoutError, match="STUN binding"):
            await server.wait_binding(0.01, lambda binding: binding.count > 1)


class Tap:
    def __init__(self) -> None:
        self.packets: list[tuple[Address, Address, bytes, str]] = []

    def udp(self, src: Address, dst: Address, payload: bytes, interface: str = "inside") -> None:
        self.packets.append((src, dst, payload, interface))


async def test_recorder_sees_both_directions() -> None:
    tap, rung = Tap(), list[Request]()
    server = StunServer(recorder=tap, on_request=rung.append)
    async with server, StunClient() as cpe:
        answer, _ = await cpe.ask(server.address, [BINDING])
        request = rung[0]
        assert tap.packets == [
            (cpe.address, server.address, request.data, "outside"),
            (server.address, cpe.address, answer.data, "outside"),
        ]


async def test_start_names_a_taken_port() -> None:
    async with lab() as (server, _):
        with pytest.raises(OSError, match="in use"):
            await StunServer(port=server.address[1]).start()
