"""The discovery where memory is scarce: what is dropped goes on where it rested."""

from cwmp.runtime.lifetime_sockets import LifetimeSockets
from host_tools.sim.clock import Chance
from host_tools.sim.kinds import KINDS
from host_tools.sim.world import World

HOUR = 3_600_000


def rested() -> tuple[World, LifetimeSockets]:
    """A simulated device that has found its lifetime, and sockets in the same state."""
    world = World(KINDS["port restricted"].chain(60_000))
    world.run(HOUR)
    assert world.device.search.found
    return world, make(world)


def make(world: World, kept: object = None) -> LifetimeSockets:
    made = LifetimeSockets(world.device.binding, Chance(1).bytes, lambda *line: None, kept)
    if kept is None:
        made.search.__dict__.update(world.device.search.__dict__)
    return made


def test_stun_53_goes_on_where_it_rested():
    world, before = rested()
    before.nat = (1, 3, 2)
    before._examined = world.device.binding.mapped, world.device.binding.destination
    kept = before.kept(world.clock.now)
    assert kept is not None
    modules, at, terms = kept[:3]
    assert modules == "runtime.lifetime_sockets core.lifetime core.nat_kind"
    assert at == before.deadline() and at - world.clock.now > 10 * HOUR
    assert terms == world.device.binding.terms
    after = make(world, kept)
    assert after.kinds() == (1, 3, 2) and after.search.__dict__ == before.search.__dict__
    period = world.device.binding.period
    after.search.follow(world.device.binding, world.clock.now)
    assert world.device.binding.period == period == 54
    assert after.deadline() == at  # it was no new beginning


def test_stun_53_is_kept_as_it_is_while_there_is_something_to_do():
    world, sockets = rested()
    assert sockets.kept(world.clock.now) is None  # the NAT was not examined yet
    sockets.nat = (0, 0, 0)
    at = sockets.deadline()
    assert sockets.kept(at - 59_000) is None and sockets.kept(at - 61_000)
    out = sockets.search.tick(at)
    assert out and sockets.search.active and sockets.kept(at) is None


def test_stun_53_makes_room_for_a_session_at_any_time():
    world, sockets = rested()
    now = sockets.deadline()
    assert now is not None
    sockets.serve(now)  # the NAT is examined first, over real sockets
    assert sockets._kind and sockets._sockets
    kept = sockets.pause(now)
    assert sockets._sockets is None and kept[3] == (None, None)
    assert sockets.search.tick(now) and sockets.search.active
    kept = sockets.pause(now)
    assert now < kept[1] < now + 60_000 and not sockets.search.active
    after = make(world, kept)
    assert after.search.__dict__ == sockets.search.__dict__
    after.serve(now)  # from the beginning
    assert after._kind
    after.close()


def test_stun_53_other_terms_are_another_beginning():
    world, sockets = rested()
    sockets.nat = (0, 0, 0)
    kept = sockets.kept(world.clock.now)
    world.nat.nats[0].reboot()
    world.run(2 * 60_000)
    assert kept is not None and kept[2] != world.device.binding.terms
    after = make(world, kept)
    assert after.kinds() == (0, 0, 0)  # of another binding nothing is known yet
    after.search.follow(world.device.binding, world.clock.now)
    assert after.search.lifetime is None and after.search.losses == 1
    assert world.device.binding.counts["losses"] > 0
