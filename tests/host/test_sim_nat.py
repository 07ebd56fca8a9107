"""The NATs of the simulation: who is let in, and for how long."""

import pytest

from cwmp.core import nat_kind as nk
from host_tools.sim.clock import Chance, Clock
from host_tools.sim.nat import ANY, HOST, PORT, Nat, NatChain
from host_tools.sim.server import StunServer

INSIDE = ("192.168.1.7", 7547)
OTHER = ("192.168.1.7", 7548)
SERVER = ("203.0.113.1", 3478)
SAME_HOST = ("203.0.113.1", 9999)
STRANGER = ("203.0.113.9", 3478)


def make(**options):
    clock = Clock()
    return clock, Nat(clock, Chance(1), 60_000, **options)


@pytest.mark.parametrize(
    ("filtering", "lets_in"),
    [(ANY, [SERVER, SAME_HOST, STRANGER]), (HOST, [SERVER, SAME_HOST]), (PORT, [SERVER])],
)
def test_filtering(filtering, lets_in):
    _, nat = make(filtering=filtering)
    outside = nat.out(INSIDE, SERVER)
    for remote in (SERVER, SAME_HOST, STRANGER):
        assert (nat.back(outside, remote) == INSIDE) == (remote in lets_in)


@pytest.mark.parametrize(("mapping", "ports"), [(ANY, 1), (HOST, 2), (PORT, 3)])
def test_mapping(mapping, ports):
    _, nat = make(mapping=mapping)
    assert len({nat.out(INSIDE, remote) for remote in (SERVER, SAME_HOST, STRANGER)}) == ports


@pytest.mark.parametrize("inbound", [True, False])
def test_expiry_by_direction(inbound):
    clock, nat = make(inbound=inbound)
    outside = nat.out(INSIDE, SERVER)
    clock.now += 59_999
    assert nat.back(outside, SERVER, touch=False) == INSIDE
    assert nat.back(outside, SERVER) == INSIDE
    clock.now += 1
    assert (nat.back(outside, SERVER) == INSIDE) == inbound
    clock.now += 59_999
    assert (nat.back(outside, SERVER) == INSIDE) == inbound
    before = nat.out(INSIDE, SERVER)
    assert (before == outside) == inbound


def test_a_look_refreshes_nothing():
    clock, nat = make()
    outside = nat.out(INSIDE, SERVER)
    for _ in range(60):
        nat.back(outside, SERVER, touch=False)
        clock.now += 1000
    assert nat.back(outside, SERVER) is None


def test_port_preserving_and_taken_ports():
    clock, nat = make(preserve=True)
    assert nat.out(INSIDE, SERVER) == (nat.host, 7547)
    assert nat.out(("192.168.1.8", 7547), SERVER)[1] != 7547
    clock.now += 60_000
    assert nat.out(INSIDE, SERVER) == (nat.host, 7547)  # forgotten, and nobody sees it


def test_lowest_port_is_given_again_at_once():
    clock, nat = make(reuse=True)
    first = nat.out(INSIDE, SERVER)
    clock.now += 60_000
    assert nat.out(OTHER, SERVER) == first


def test_linux_keeps_a_flow_longer_once_it_goes_both_ways():
    clock = Clock()
    nat = Nat(clock, Chance(1), 180_000, early=30_000)
    outside = nat.out(INSIDE, SERVER)
    nat.back(outside, SERVER)
    clock.now += 29_999
    assert nat.back(outside, SERVER, touch=False) == INSIDE
    nat.out(INSIDE, SERVER)  # more than 2 s later
    clock.now += 179_999
    assert nat.back(outside, SERVER) == INSIDE


def test_reboot_forgets_and_gives_other_ports():
    _, nat = make()
    before = nat.out(INSIDE, SERVER)
    nat.reboot("198.51.100.10")
    assert nat.back(before, SERVER) is None
    after = nat.out(INSIDE, SERVER)
    assert after[0] == "198.51.100.10" and after[1] != before[1]


def test_double_nat_forgets_when_the_first_of_them_does():
    clock = Clock()
    inner, outer = Nat(clock, Chance(1), 60_000, host="100.64.0.7"), Nat(clock, Chance(2), 20_000)
    chain = NatChain([inner, outer])
    outside = chain.out(INSIDE, SERVER)
    assert outside[0] == outer.host and chain.back(outside, SERVER) == INSIDE
    clock.now += 20_000
    assert chain.back(outside, SERVER) is None


@pytest.mark.parametrize("filtering", [ANY, HOST, PORT])
@pytest.mark.parametrize("mapping", [ANY, PORT])
@pytest.mark.parametrize("outer", [None, False, True])
@pytest.mark.parametrize("hairpin", [False, True])
def test_hairpin_is_found_by_the_core(filtering, mapping, outer, hairpin):
    clock = Clock()
    nats = [Nat(clock, Chance(1), 60_000, mapping, filtering, hairpin=hairpin)]
    if outer is not None:  # of two NATs the outer one owns the public address
        nats[0].host = "100.64.0.7"
        nats.append(Nat(clock, Chance(2), 60_000, hairpin=outer))
    # With a mapping for each remote it comes from a port that the first one was never used with.
    lets_in = mapping == ANY or (filtering == ANY and outer is None)
    works = (hairpin if outer is None else outer) and lets_in
    found = examine(clock, NatChain(nats))
    assert found == (nk.SEEN if works else nk.NOT_SEEN)


def examine(clock: Clock, chain: NatChain) -> int:
    """What the examination of the firmware makes of it, with a server of one address."""
    server = StunServer(SERVER)
    kind = nk.NatKind(Chance(3).bytes, SERVER, clock.now)
    while not kind.done:
        clock.now = kind.deadline()
        out = kind.tick(clock.now)
        if out is None:
            continue
        data, to = out
        if to != SERVER:
            if chain.turn(INSIDE, to) == INSIDE:
                assert kind.datagram(0, data, len(data), clock.now)
            continue
        outside, answer = server.answer(data, chain.out(INSIDE, to))
        assert chain.back(outside, SERVER) == INSIDE
        assert kind.datagram(0, answer, len(answer), clock.now)
    return kind.hairpin


def test_hairpin_lets_a_neighbour_ring_where_anybody_can():
    for filtering in (ANY, PORT):
        _, nat = make(filtering=filtering, hairpin=True)
        chain = NatChain([nat])
        outside = chain.out(INSIDE, SERVER)
        assert (chain.turn(OTHER, outside) == INSIDE) == (filtering == ANY)
        nat.hairpin = False
        assert chain.turn(OTHER, outside) is None
