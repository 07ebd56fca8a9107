"""Lifetime discovery behind NATs by chance: what must hold whatever they are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cwmp.core.nat_binding import keepalive_period
from host_tools.lab import stun_codec as codec
from host_tools.lab.stun_codec import AttributeType
from host_tools.sim.device import PRIMARY
from host_tools.sim.nat import ANY, HOST, PORT, Nat
from host_tools.sim.server import HONOURS, IGNORES, REFUSES, SILENT
from host_tools.sim.world import World

HOUR = 3_600_000
BEHAVIOURS = st.sampled_from([ANY, HOST, PORT])
NATS = st.fixed_dictionaries(
    {
        "timeout": st.integers(12_000, 1_500_000),
        "mapping": BEHAVIOURS,
        "filtering": BEHAVIOURS,
        "preserve": st.booleans(),
        "inbound": st.booleans(),
        "reuse": st.booleans(),
    }
)


class Watched(World):
    """A world that looks at every datagram which the device sends."""

    def __init__(self, *arguments, **options) -> None:
        self.plain: list[int] = []  # when requests left the primary port, without BINDING-CHANGE
        self.seen: set[bytes] = set()
        super().__init__(*arguments, **options)

    def _send(self, socket, data, to) -> None:
        message = codec.parse(data)
        assert message.has_connection_request_binding == (socket == PRIMARY)  # STUN-10
        if socket == PRIMARY:
            assert not message.has(AttributeType.RESPONSE_ADDRESS)  # STUN-16
            if not message.has_binding_change and message.transaction_id not in self.seen:
                self.plain.append(self.clock.now)
        else:
            assert not self.device.schedule.running  # it pauses while a session runs
            assert not message.has_binding_change and not message.has(AttributeType.USERNAME)
        self.seen.add(message.transaction_id)
        super()._send(socket, data, to)


@given(
    nats=st.lists(NATS, min_size=1, max_size=2),
    minimum=st.integers(5, 11),
    maximum=st.one_of(st.just(-1), st.integers(11, 2000)),
    kind=st.sampled_from([HONOURS, HONOURS, IGNORES, SILENT, REFUSES]),
    round_trip=st.integers(1, 400),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_stun_10_50_51_53_behind_any_nat(nats, minimum, maximum, kind, round_trip, seed) -> None:
    def build(clock, chance):
        return [
            Nat(clock, chance, host=f"198.51.100.{at}", **nat) for at, nat in enumerate(nats, 1)
        ]

    world = Watched(build, (minimum, maximum), kind, seed=seed, round_trip=round_trip)
    world.ring_every(600_000)
    world.run(5 * HOUR)
    binding, search = world.device.binding, world.device.search
    timeout = min(nat["timeout"] for nat in nats) / 1000
    # Nothing that is rung is missed, and the primary binding is never lost.
    assert world.missed == [] and world.woken == world.rings > 0
    assert binding.counts["changes"] == 1 and search.losses == 0
    # Bounds (STUN-50): between plain requests at least the minimum, at most the maximum.
    gaps = [after - before for before, after in zip(world.plain, world.plain[1:], strict=False)]
    assert min(gaps) >= minimum * 1000
    if maximum >= 0:
        assert max(gaps) <= maximum * 1000 + 10
    # As long as may be, and never as long as the NAT (STUN-51, STUN-53).
    assert binding.period == keepalive_period(minimum, maximum, search.lifetime)
    assert binding.period < timeout
    if kind != HONOURS:
        assert binding.period == minimum
    elif search.found:
        # The server shows a wait of whole seconds, and there is room for a margin of one.
        assert binding.period >= min(0.9 * timeout - 2, maximum if maximum >= 0 else 1700)


@given(st.binary(max_size=60), st.integers(0, 1), st.integers(0, 4 * HOUR))
@settings(max_examples=25, deadline=None)
def test_b11_nothing_that_a_stranger_sends_to_a_secondary_port_matters(data, which, when) -> None:
    def build(clock, chance):
        return [Nat(clock, chance, 60_000)]

    quiet, noisy = World(build), World(build)
    for world in (quiet, noisy):
        world.run(when)
    assert not noisy.device.search.datagram(which, data, len(data), noisy.clock.now)
    for world in (quiet, noisy):
        world.run(HOUR)
    assert noisy.device.search.lifetime == quiet.device.search.lifetime
    assert noisy.probes == quiet.probes
