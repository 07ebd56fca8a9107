"""The STUN client against a live server: what it sends, when it signs, what it reports."""

import asyncio
from typing import Any

import pytest

from host_tools.lab import rpc
from host_tools.lab.stun_codec import AttributeType, Integrity
from host_tools.lab.stun_faults import (
    DemandIntegrity,
    DemandIntegrityOnChange,
    ErrorAnswer,
    MissingResponseIntegrity,
    PaddedOnly,
    Rebound,
    UnpaddedOnly,
    WrongResponseIntegrity,
)
from tests.conformance.patched import boot_as_usual, boot_first
from tests.conformance.rig import ADDRESS, CHANGE, MS, STUN_PASSWORD, MakeRig, Rig

USER = {"stun_username": "stun-user-number-1", "stun_password": STUN_PASSWORD}
KEYS = {"stun-user-number-1": STUN_PASSWORD}


def of_change(request):
    return request.is_change


def kinds(rig: Rig) -> list[str]:
    """The requests so far, not counting those sent again: plain or change, with + when signed."""
    first: dict[bytes, Any] = {}
    for request in rig.stun.log:
        first.setdefault(request.message.transaction_id, request)
    return [
        ("change" if request.is_change else "plain") + ("+" if request.is_signed else "")
        for request in first.values()
    ]


async def test_stun_10_every_request_of_the_primary_port_carries_the_tag(rig: Rig):
    await rig.set("STUNServerPort", rig.stun.address[1])
    assert len(rig.stun.log) >= 2
    for request in rig.stun.log:
        assert request.source == (rig.address, rig.port)
        tag = request.message.get(AttributeType.CONNECTION_REQUEST_BINDING)
        assert tag == b"dslforum.org/TR-111 " and b"\xc0\x01\x00\x14" + tag in request.data
        assert not request.is_probe
        assert not request.message.has(AttributeType.CHANGE_REQUEST)


async def test_stun_12_a_binding_is_announced_at_once_when_found_and_when_changed(
    make_rig: MakeRig,
):
    rig = await make_rig()
    # The answer to the announcement has another port: a change.
    rig.stun.faults.add(Rebound(when="change"))
    await rig.start()
    await rig.stun.wait_request(of_change)
    first = next(request for request in rig.stun.log if request.is_change)
    await rig.stun.wait_request(of_change, since=first.number)
    assert kinds(rig) == ["plain", "change", "change"]
    for request in rig.stun.log:
        empty = request.message.get(AttributeType.BINDING_CHANGE)
        assert empty == (b"" if request.is_change else None)
    changed = await rig.board.seen(rf"binding: changed mapped={rig.address}:(\d+)")
    assert int(changed[1]) == rig.port + 1
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_parameter(ADDRESS, not_value=f"{rig.address}:{rig.port}")
    async with rig.within(5):
        while cpe.parameters[ADDRESS] != f"{rig.address}:{rig.port + 1}":
            await asyncio.sleep(0.005)


async def test_stun_13_14_username_in_every_request_padded_with_spaces(make_rig: MakeRig):
    rig = await (await make_rig(provision=USER)).ready()
    for request in rig.stun.log:
        assert request.message.get(AttributeType.USERNAME) == b"stun-user-number-1  "
        assert not request.is_signed


async def test_stun_13_no_username_without_one_or_when_switched_off(make_rig: MakeRig):
    without = await (await make_rig()).ready()
    switched = await (
        await make_rig(provision=USER, site={"stun": {"send_username": False}})
    ).ready()
    for request in [*without.stun.log, *switched.stun.log]:
        assert not request.message.has(AttributeType.USERNAME)
        assert not request.is_signed


async def test_stun_20_off_until_enabled_and_anew_when_a_parameter_changes(make_rig: MakeRig):
    rig = await make_rig(provision={"stun_enable": False})
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    await rig.idle()
    assert not rig.stun.log
    await rig.set("STUNEnable", 1)
    await rig.stun.wait_request(of_change)
    for name, value in (
        ("STUNUsername", "another"),
        ("STUNPassword", "typed by its user"),
        ("STUNMinimumKeepAlivePeriod", 6),
        ("STUNMaximumKeepAlivePeriod", 60),
        *([("STUNServerAddress", "localhost")] if rig.can("loopback") else []),
    ):
        before = rig.stun.received
        await rig.set(name, value)
        plain = await rig.stun.wait_request(lambda request: request.is_keepalive, since=before)
        await rig.stun.wait_request(of_change, since=plain.number)
    await rig.set("STUNEnable", 0)
    await rig.idle()
    before = rig.stun.received
    await rig.set("STUNMinimumKeepAlivePeriod", 7)
    await rig.idle()
    assert rig.stun.received == before
    assert "STUN is off" in (await rig.command("binding"))[0]


@pytest.mark.capability("loopback")
async def test_stun_20_the_acs_url_supplies_the_server_and_its_change_restarts_discovery(
    make_rig: MakeRig,
):
    rig = await (await make_rig(provision={"stun_host": ""})).ready()
    other = await rig.new_acs(host="127.0.0.7")
    before = rig.stun.received
    await rig.ask(rpc.set_values({MS + "URL": other.url}))
    await (await other.wait_cpe()).wait_session_end(1)
    said = "\n".join(await rig.idle())
    assert f"no STUN answer from 127.0.0.7:{rig.stun.address[1]}" in said
    assert rig.stun.received == before  # that address has no server, and the old one is not asked


@pytest.mark.capability("loopback")
async def test_stun_22_host_of_the_acs_url_and_the_default_port(make_rig: MakeRig):
    rig = await make_rig(
        provision={"stun_host": "", "stun_port": 0},
        acs={"host": "127.0.0.9"},
        stun={"host": "127.0.0.9", "port": 3478},
    )
    await rig.ready()
    assert rig.stun.log[0].local == ("127.0.0.9", 3478)


@pytest.mark.capability("loopback")
async def test_stun_22_b20_a_server_given_by_name(make_rig: MakeRig):
    rig = await make_rig(provision={"stun_host": "localhost"})
    rig.board.configure(with_url(rig, rig.acs.url.replace(rig.acs.host, "localhost")))
    await rig.ready()
    assert f"localhost:{rig.stun.address[1]}" in "\n".join(await rig.command("binding"))
    assert (await rig.wake()).ok


def with_url(rig: Rig, url: str) -> dict[str, object]:
    site = rig.site
    return {**site, "acs": {**site["acs"], "url": url}}


async def test_stun_24_one_port_for_life(rig: Rig):
    since = rig.stun.received
    await rig.set("STUNMinimumKeepAlivePeriod", 6)
    await rig.stun.wait_request(of_change, since=since)
    await rig.idle()
    since = rig.stun.received
    await rig.power_cut()
    await rig.stun.wait_request(of_change, since=since)
    assert {request.source for request in rig.stun.log} == {(rig.address, rig.port)}


async def test_stun_30_integrity_only_after_a_401(make_rig: MakeRig):
    rig = await make_rig(provision=USER, stun={"credentials": KEYS})
    rig.stun.faults.add(DemandIntegrity())
    await rig.ready()
    assert kinds(rig) == ["plain", "plain+", "change", "change+"]  # each a transaction
    assert all(request.verified for request in rig.stun.log if request.is_signed)


async def test_stun_30_b10_a_401_without_credentials_is_a_failed_attempt(make_rig: MakeRig):
    rig = await make_rig()
    rig.stun.faults.add(DemandIntegrity())
    await rig.start()
    failed = await rig.board.seen(r'binding: failed reason="error 401(.*)" failures=1 retry_ms=')
    assert "STUNUsername and STUNPassword" in failed[1]
    assert kinds(rig) == ["plain"]
    status = "\n".join(await rig.idle())
    assert "NOT READY: no STUN answer from" in status and "STUNUsername" in status
    assert await rig.get(ADDRESS) == ""  # no 0.0.0.0, no local port


async def test_stun_31_a_401_on_binding_change_alone(make_rig: MakeRig):
    rig = await make_rig(provision=USER, stun={"credentials": KEYS})
    rig.stun.faults.add(DemandIntegrityOnChange())
    await rig.ready()
    assert kinds(rig) == ["plain", "change", "change+"]


@pytest.mark.parametrize(
    ("only", "first", "works"),
    [
        (PaddedOnly(), Integrity.UNPADDED, Integrity.PADDED),
        (PaddedOnly(code=401), Integrity.UNPADDED, Integrity.PADDED),
        (UnpaddedOnly(), None, Integrity.UNPADDED),
    ],
    ids=["padded", "padded-401", "unpadded"],
)
async def test_stun_33_other_variant_on_refusal_and_the_winner_is_remembered(
    make_rig: MakeRig, only, first, works
):
    rig = await make_rig(provision=USER, stun={"credentials": KEYS})
    rig.stun.faults.add(DemandIntegrity(), only)
    await rig.ready()
    signed = [request.verified for request in rig.stun.log if request.is_signed]
    # One refusal at most, then the winner for the announcement too.
    assert signed == ([{first}] if first else []) + [{works}, {works}]


@pytest.mark.parametrize("wrong", [WrongResponseIntegrity, MissingResponseIntegrity])
async def test_stun_34_an_answer_that_does_not_verify_is_as_if_never_received(
    make_rig: MakeRig, wrong
):
    rig = await make_rig(provision=USER, stun={"credentials": KEYS})
    rig.stun.faults.add(DemandIntegrity(), wrong(next=1))
    await rig.ready()
    plain, first, again = list(rig.stun.log)[:3]
    assert not plain.is_signed and first.is_signed
    assert first.data == again.data  # a retransmission, no new transaction


async def test_stun_35_36_errors_end_the_attempt_without_a_loop(make_rig: MakeRig):
    for code in (400, 420, 500, 600):
        rig = await make_rig(provision=USER)
        rig.stun.faults.add(ErrorAnswer(code=code))
        await rig.start()
        await rig.board.seen(rf"binding: error code={code}")
        await rig.idle()
        assert kinds(rig) == ["plain"]
        assert str(code) in "\n".join(await rig.command("status"))


async def test_stun_60_61_while_stun_is_off_the_local_address_is_reported_and_rung(
    make_rig: MakeRig,
):
    rig = await make_rig(provision={"stun_enable": False})
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    await rig.idle()
    assert cpe.parameters[ADDRESS] == f"{rig.address}:{rig.port}"
    assert cpe.parameters[MS + "NATDetected"] in ("0", "false")
    assert (await rig.wake()).ok
    assert "wake      ready" in "\n".join(await rig.idle())


@pytest.mark.capability("filesystem")
async def test_stun_60_no_nat_is_claimed_while_the_local_address_is_unknown(make_rig: MakeRig):
    rig = await make_rig()
    boot_first(
        rig.board,
        """
from cwmp.port.unix import UnixPort
UnixPort.local_ip = lambda self, address: ""
""",
    )
    await rig.ready()
    assert await rig.get(ADDRESS) == f"{rig.address}:{rig.port}"
    assert await rig.get(MS + "NATDetected") == "0"
    assert "nat       not known without a local address" in "\n".join(await rig.command("status"))
    boot_as_usual(rig.board)
    rig.stun.faults.add(Rebound())
    seen = len(rig.cpe.informs)
    await rig.reboot()
    await rig.informed("1 BOOT", seen)
    async with rig.within(5):
        while await rig.get(MS + "NATDetected") != "1":
            await asyncio.sleep(0.05)


async def test_stun_60_61_switching_stun_off_returns_to_the_local_address(make_rig: MakeRig):
    rig = await make_rig()
    rig.stun.faults.add(Rebound())
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    mapped = f"{rig.address}:{rig.port + 1}"
    async with rig.within(5):
        while cpe.parameters.get(ADDRESS) != mapped or cpe.session:
            await asyncio.sleep(0.005)
    assert await rig.get(MS + "NATDetected") == "1"
    seen = len(cpe.informs)
    await rig.set("STUNEnable", 0)
    inform = await rig.informed(CHANGE, seen)
    while inform.parameters.get(ADDRESS) == mapped:
        # The binding may still have been news when STUN was switched off.
        seen = cpe.informs.index(inform) + 1
        inform = await rig.informed(CHANGE, seen)
    assert inform.parameters[ADDRESS] == f"{rig.address}:{rig.port}"
    assert inform.parameters[MS + "NATDetected"] in ("0", "false")


async def test_stun_62_told_with_the_new_value_and_only_when_asked(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    seen = len(rig.cpe.informs)
    rig.stun.faults.add(Rebound(port=rig.port + 2))
    await rig.set("STUNMinimumKeepAlivePeriod", 6)
    change = await rig.informed(CHANGE, seen)
    assert change.parameters[ADDRESS] == f"{rig.address}:{rig.port + 2}"
    assert change.parameters[MS + "NATDetected"] in ("1", "true")
    await rig.idle()
    calls = rpc.set_attributes({ADDRESS: 0, MS + "NATDetected": 0})
    done = rig.cpe.queue(calls)
    await rig.wake(address=f"{rig.address}:{rig.port}")
    assert await done is None
    await rig.idle()
    seen = len(rig.cpe.informs)
    rig.stun.faults.clear()
    rig.stun.faults.add(Rebound())
    since = rig.stun.received
    await rig.set("STUNMinimumKeepAlivePeriod", 7)
    await rig.stun.wait_request(of_change, since=since)
    await rig.idle()
    assert await rig.get(ADDRESS) == f"{rig.address}:{rig.port + 1}"
    assert len(rig.cpe.informs) == seen


async def test_stun_63_cwmp_62_throttle_delays_a_session_for_the_address_and_no_other(rig: Rig):
    fault = (await rig.call(rpc.get_values(MS + "UDPConnectionRequestAddressNotificationLimit")))[
        0
    ]
    assert fault.code == 9005  # Device:2 has the throttle instead
    await rig.ask(rpc.set_values({MS + "DefaultActiveNotificationThrottle": 2}))
    await rig.idle()
    seen = len(rig.cpe.informs)
    rig.stun.faults.add(Rebound())
    since = rig.stun.received
    await rig.set("STUNMinimumKeepAlivePeriod", 6)
    await rig.stun.wait_request(of_change, since=since)
    status = "\n".join(await rig.command("status"))
    assert "s until a session for value change" in status
    assert (await rig.wake(address=f"{rig.address}:{rig.port}")).ok  # a ring is not held back
    assert rig.cpe.informs[seen].codes == [CHANGE, "6 CONNECTION REQUEST"]
    seen = len(rig.cpe.informs)
    await rig.set("STUNMinimumKeepAlivePeriod", 5)  # the mapping is lost and found again
    rig.stun.faults.clear()
    inform = await rig.informed(CHANGE, seen)
    assert inform.codes == [CHANGE]
    ended = rig.cpe.sessions[-2].ended_ns
    assert inform.first_byte_ns - ended >= 1_900_000_000


@pytest.mark.capability("loopback")
async def test_b12_a_name_is_never_replaced_by_another_server(make_rig: MakeRig):
    rig = await make_rig(provision={"stun_host": "127.0.0.33"})
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    status = "\n".join(await rig.idle())
    assert f"no STUN answer from 127.0.0.33:{rig.stun.address[1]}" in status
    assert not rig.stun.log


async def test_b12_b20_a_name_without_an_address_is_said(make_rig: MakeRig):
    rig = await make_rig(provision={"stun_host": "no-such-host.invalid"})
    await rig.start()
    await rig.board.seen(
        r'binding: failed reason="no IPv4 address for the STUN server" failures=1'
    )
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    status = "\n".join(await rig.idle())
    assert "NOT READY: no STUN answer from no-such-host.invalid" in status
    assert "no IPv4 address for the STUN server" in status
    assert await rig.get(ADDRESS) == ""


async def test_b21_a_server_that_cannot_be_sent_to_is_a_loss_like_any_other(make_rig: MakeRig):
    rig = await make_rig(provision={"stun_host": "255.255.255.255"})
    await rig.start()
    await rig.board.seen(r"net: send-failed")
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    await rig.set("STUNServerAddress", rig.host)
    await rig.ready()
    assert (await rig.wake()).ok
