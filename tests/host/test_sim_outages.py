"""Outages in simulated time: recovery without a reboot, and nobody is hammered."""

import pytest

from host_tools.sim import outages
from host_tools.sim.clock import DAY
from host_tools.sim.kinds import KINDS
from host_tools.sim.outages import HOUR, MINUTE, OUTAGES, Outage, simulate, status, wrong
from host_tools.sim.world import World


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "outage", OUTAGES, ids=lambda outage: f"{outage.name}, {outage.lasts // 1000} s"
)
def test_b12_b22_recovers_without_a_reboot_and_without_hammering(outage: Outage, seed: int):
    result = simulate(outage, seed)
    assert wrong([result]) == []


def test_an_outage_that_does_not_end_would_show():
    outage = Outage("for ever", outages._fault("silent"), outages._nothing, HOUR, MINUTE)
    (line,) = wrong([simulate(outage, 1)])
    assert "recovered after None" in line


def settled(**options) -> World:
    world = World(KINDS["port restricted"].chain(180_000), (30, -1), **options)
    world.run(4 * HOUR)
    assert world.device.search.lifetime and world.reachable
    return world


def test_stun_12_62_a_change_of_address_is_told_within_one_keepalive():
    for seed in range(10):
        world = settled(seed=seed)
        world.run(world.chance.below(HOUR))
        world.nat.nats[0].reboot("198.51.100.77")
        since, sessions = world.clock.now, world.sessions
        assert world.run_until(DAY, lambda: world.told.startswith("198.51.100.77:"))  # noqa: B023
        assert world.clock.now - since <= 175_000
        assert world.sessions == sessions + 1


def test_stun_53_the_period_is_found_again_after_every_outage():
    for outage in OUTAGES:
        world = settled()
        was = world.device.binding.period
        outage.begin(world)
        world.run(outage.lasts or MINUTE)
        outage.end(world)
        world.run(10 * DAY)
        assert world.device.binding.period >= was, outage.name


def test_stun_45_silence_is_met_with_patience_that_keeps_the_binding():
    """The sends that nobody answers are enough for the NAT: an ACS can ring all the time."""
    world = settled(elsewhere=False)
    world.server.fault = "silent"
    world.ring_every(MINUTE)
    sent = world.keepalives
    world.run(12 * HOUR)
    assert world.missed == [] and world.rings > 500
    assert (world.keepalives - sent) / 12 < 220  # an hour, where 30 s would make 830


def test_status_has_a_line_for_what_is_wrong():
    world = settled()
    assert status(world) == "ready"
    world.server.fault = "silent"
    world.names = {}
    world.run(HOUR)
    assert "no IPv4 address for the STUN server" in status(world)
    world.names = {("stun.example", 3478): world.server.address}
    world.run(10 * MINUTE)
    assert "does not answer any more (timeout" in status(world)


def test_stun_52_status_says_that_the_minimum_is_too_long_for_the_nat():
    for kind in ("port restricted", "keeps ports"):
        world = World(KINDS[kind].chain(20_000), (60, -1))
        world.run(HOUR)
        assert "the NAT forgets the binding within the keepalive period of 60 s" in status(world)
