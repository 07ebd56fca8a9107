"""The NATs of the matrix. `make(clock, chance)` of each gives the chain, the innermost first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from host_tools.sim.clock import Chance, Clock
from host_tools.sim.nat import ANY, HOST, PORT, Nat

Make = Callable[[Clock, Chance], list[Nat]]


@dataclass(frozen=True)
class Kind:
    """`chain(timeout)` with the timeout in ms."""

    about: str
    chain: Callable[[int], Make]


def _one(about: str, **options: object) -> Kind:
    def chain(timeout: int) -> Make:
        return lambda clock, chance: [Nat(clock, chance, timeout, **options)]  # type: ignore

    return Kind(about, chain)


def _double(inner: int, outer: int) -> Callable[[int], Make]:
    def chain(timeout: int) -> Make:
        return lambda clock, chance: [
            Nat(clock, chance, timeout * inner, host="100.64.0.7"),
            Nat(clock, chance, timeout * outer, reuse=True),
        ]

    return chain


KINDS: Mapping[str, Kind] = {
    "full cone": _one("endpoint-independent mapping and filtering", filtering=ANY),
    "restricted": _one("lets in every port of a host that was spoken to", filtering=HOST),
    "port restricted": _one("lets in who was spoken to"),
    "symmetric": _one("a mapping for each remote", mapping=PORT),
    "keeps ports": _one("a mapping that is gone comes back unseen", preserve=True),
    "outbound only": _one("only outbound traffic refreshes", inbound=False),
    "lowest port": _one("gives a port again as soon as it is free", reuse=True),
    "Linux": _one(
        "keeps ports; 30 s until traffic has gone both ways", preserve=True, early=30_000
    ),
    "double, inner first": Kind("the inner NAT forgets first", _double(1, 3)),
    "double, outer first": Kind("the outer NAT forgets first", _double(3, 1)),
}
