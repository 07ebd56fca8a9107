"""Keepalives, rebindings and servers that fall silent, live (spec 1.5 and 1.6)."""

import asyncio

import pytest

from host_tools.lab import rpc
from host_tools.lab.nat import UserNat
from host_tools.lab.stun_faults import Silence
from tests.conformance.rig import ADDRESS, CHANGE, MS, MakeRig, Rig


async def keepalives_and_a_port_only_rebinding(make_rig: MakeRig):
    """Behind a NAT: two keepalives, the second of which finds another public port."""
    nat = UserNat(preserve_port=False)
    rig = await make_rig(provisioned=False)
    async with nat:
        alias = nat.alias(rig.stun.address)
        rig.acs.set_provision(rig.provision(stun_host=alias[0], stun_port=alias[1]))
        await rig.ready()
        await through_the_nat(rig, nat)


async def through_the_nat(rig: Rig, nat: UserNat):
    mapped = rig.cpe.parameters[ADDRESS]
    assert mapped == "{}:{}".format(*rig.stun.log[-1].source)
    assert not mapped.endswith(f":{rig.port}")
    assert await rig.get(MS + "NATDetected") == "1"
    assert (await rig.wake()).ok  # from the STUN server's socket: a restricted NAT lets it in
    found = rig.stun.received
    plain = await rig.stun.wait_request(lambda request: True, timeout=9, since=found)
    assert plain.is_keepalive and not plain.is_change
    seen = len(rig.cpe.informs)
    nat.rebind()
    changed = await rig.informed(CHANGE, seen, timeout=9)
    now = "{}:{}".format(*rig.stun.log[-1].source)
    assert now != mapped and changed.parameters[ADDRESS] == now
    assert changed.parameters[ADDRESS].partition(":")[0] == mapped.partition(":")[0]
    assert (await rig.wake()).ok


async def a_server_that_falls_silent(make_rig: MakeRig):
    rig = await (await make_rig()).ready()
    address = await rig.get(ADDRESS)
    seen, sent = len(rig.cpe.informs), rig.stun.received
    rig.stun.faults.add(Silence())
    failed = await rig.board.seen(
        r'binding: failed reason="timeout" failures=1 retry_ms=(\d+)', timeout=20
    )
    lost = [request for request in rig.stun.log if request.number > sent]
    assert len(lost) == 9  # 0, 100, 300, ... 7900 ms
    assert len({request.data for request in lost}) == 1
    assert {request.source for request in lost} == {(rig.address, rig.port)}
    assert 30000 <= int(failed[1]) <= 33000
    assert await rig.get(ADDRESS) == address and await rig.get(MS + "NATDetected") == "0"
    status = "\n".join(await rig.idle())
    assert "does not answer any more (timeout, 1 times): the binding may be gone" in status
    assert len(rig.cpe.informs) == seen  # nothing is told: the last answer still stands
    assert (await rig.wake()).ok  # and it may still hold


async def a_server_that_never_answers(make_rig: MakeRig):
    rig = await make_rig()
    rig.stun.faults.add(Silence())
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    await rig.stun.wait_request()
    status = "\n".join(await rig.idle())
    assert f"NOT READY: no STUN answer from {rig.host}" in status
    assert "waiting for the first answer" in status
    assert await rig.get(ADDRESS) == ""
    await rig.board.seen(r'binding: failed reason="timeout"', timeout=20)
    assert f"NOT READY: no STUN answer from {rig.host}" in "\n".join(await rig.command("status"))
    assert await rig.get(ADDRESS) == "" and await rig.get(MS + "NATDetected") == "0"


async def keepalives_of_an_exact_period(make_rig: MakeRig):
    rig = await (await make_rig()).ready()  # minimum and maximum 5 s
    found = rig.stun.received
    for _ in range(2):
        plain = await rig.stun.wait_request(timeout=9, since=rig.stun.received)
        assert plain.is_keepalive
    last = [request for request in rig.stun.log if request.number > found]
    assert [request.is_keepalive for request in last] == [True, True]
    assert len({request.message.transaction_id for request in last}) == 2
    assert "mapped" not in rig.board.said().partition("announced mapped")[2].partition("\n")[2]


async def test_stun_40_45_50_51_60_b10_b12_keepalives_a_rebinding_and_silence(make_rig: MakeRig):
    """What takes its time, four devices side by side."""
    async with asyncio.TaskGroup() as group:
        group.create_task(keepalives_and_a_port_only_rebinding(make_rig))
        group.create_task(a_server_that_falls_silent(make_rig))
        group.create_task(a_server_that_never_answers(make_rig))
        group.create_task(keepalives_of_an_exact_period(make_rig))


@pytest.mark.soak
@pytest.mark.timeout(120)
async def test_stun_45_a_new_attempt_after_30_s_finds_the_server_again(make_rig: MakeRig):
    rig = await make_rig()
    rig.stun.faults.add(Silence())
    await rig.start()
    await rig.board.seen(r'binding: failed reason="timeout"', timeout=20)
    rig.stun.faults.clear()
    await rig.board.seen(r"binding: bound mapped=", timeout=60)
    await rig.ready()
    assert (await rig.wake()).ok


async def test_stun_51_52_periods_that_are_used(rig: Rig):
    for minimum, maximum, period in (
        (30, -1, 30),
        (0, -1, 30),
        (10, 3, 5),
        (60, 20, 20),
        (1, -1, 5),
        (7, 7, 7),
        (8, 100, 8),
    ):
        values = {
            MS + "STUNMinimumKeepAlivePeriod": minimum,
            MS + "STUNMaximumKeepAlivePeriod": rpc.Typed(str(maximum), "int"),
        }
        await rig.ask(rpc.set_values(values))
        await rig.idle()
        assert f"keepalive={period} s" in (await rig.command("binding"))[0]
