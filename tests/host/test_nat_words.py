"""What the console says of the NAT: of which kind it is, and who cannot ring through it."""

import select
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from cwmp.core import nat_kind as nk
from cwmp.runtime import health, lifetime_sockets
from cwmp.runtime.lifetime_sockets import LifetimeSockets
from host_tools.sim.clock import Chance
from host_tools.sim.nat import Nat
from host_tools.sim.server import StunServer
from host_tools.sim.world import World

PUBLIC, PRIVATE = "198.51.100.9", "10.0.0.9"
ELSEWHERE = "no ACS on another address can ring"


def agent(
    kinds: tuple[int, int, int], acs: str = "acs.example", host: str = PUBLIC
) -> SimpleNamespace:
    """An agent with a binding behind a NAT of these kinds at `host`."""
    world = World(lambda clock, chance: [Nat(clock, chance, 60_000, host=host)], (30, 30))
    world.run(10_000)
    found = SimpleNamespace(kinds=lambda: kinds)
    return SimpleNamespace(
        binding=world.device.binding,
        acs=(acs, 80),
        discovery=SimpleNamespace(get=lambda: found),
    )


def notes(*given: object) -> str:
    return "\n".join(health._not_from(agent(*given)))  # type: ignore[arg-type]


def test_x13_it_says_who_cannot_ring():
    assert notes((nk.ANY, nk.ANY, nk.SEEN)) == notes((0, 0, 0)) == ""
    assert (
        notes((nk.ANY, nk.HOST, nk.SEEN)) == "the NAT lets in the STUN server alone: " + ELSEWHERE
    )
    for mapping, filtering in ((nk.ANY, nk.PORT), (nk.HOST, nk.PORT), (nk.HOST, nk.ANY)):
        assert "from the port that is asked: " + ELSEWHERE in notes((mapping, filtering, 0))


def test_hairpin_is_a_matter_of_an_acs_behind_the_same_nat():
    behind = f"behind the same NAT, where {PUBLIC}:"
    kinds = (nk.ANY, nk.ANY, nk.NOT_SEEN)
    for acs in ("192.168.1.2", "10.1.2.3", "172.31.0.1", PUBLIC):
        assert behind in notes(kinds, acs)
        assert notes((nk.ANY, nk.ANY, nk.SEEN), acs) == ""
        assert notes((nk.ANY, nk.ANY, nk.UNKNOWN), acs) == ""
    for acs in ("acs.example", "203.0.113.7", "10.example.net", ""):
        assert notes(kinds, acs) == ""
    # A NAT whose own address is private has an inside of others around it, where the ACS may be.
    assert notes(kinds, "10.0.0.2", PRIVATE) == ""


def test_the_kind_is_on_the_line_of_the_nat():
    line = health._nat(agent((nk.ANY, nk.PORT, nk.NOT_SEEN)))
    assert line.startswith("it gives ports of its own; one public port for all destinations; ")
    assert "from behind it the public address was not seen to work" in line
    assert health._nat(agent((0, 0, 0))) == "it gives ports of its own"
    unknown = agent((0, 0, 0))
    unknown.binding.local = None  # a board that was not told its address yet
    assert health._nat(unknown) == "not known without a local address"


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """A STUN server of one address on a real socket."""
    stop, sock = socket.socketpair(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    model = StunServer(sock.getsockname())

    def serve() -> None:
        while sock in select.select([sock, stop[0]], [], [])[0]:
            data, source = sock.recvfrom(2048)
            to, answer = model.answer(data, source)  # type: ignore[misc]
            sock.sendto(answer, to)

    thread = threading.Thread(target=serve)
    thread.start()
    yield sock.getsockname()
    stop[1].close()
    thread.join()
    for one in (sock, stop[0]):
        one.close()


def test_stun_51_the_kind_is_found_where_the_acs_fixes_the_period(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lifetime_sockets, "drop_all", lambda names: None)  # others here use it
    world = World(lambda clock, chance: [Nat(clock, chance, 60_000)], (30, 30))
    world.run(100_000)
    binding, now = world.device.binding, world.clock.now
    assert binding.bounds is None and binding.mapped
    binding.destination = server  # the same server, on a socket
    sockets = LifetimeSockets(binding, Chance(1).bytes, lambda *line: None)
    assert sockets.kept(now) is None
    sockets.serve(now)
    for _ in range(20):
        if sockets.nat:
            break
        assert sockets._sockets
        if not select.select(sockets._sockets, [], [], 0.5)[0]:
            now = sockets.deadline()  # nothing more will come
        sockets.serve(now)
    # Without a NAT its own address works, and of a second one the server knows nothing.
    assert sockets.nat == sockets.kinds() == (nk.UNKNOWN, nk.UNKNOWN, nk.SEEN)
    assert sockets._sockets is None and sockets.deadline() is None
    kept = sockets.kept(now)
    assert kept and kept[1] - now > 10**12  # once is enough, until the binding is another
    assert kept[2] == binding.terms and binding.lifetime is None
    assert binding.period == 30
