"""What the demo tells while it runs: lines and claims, without a word about how they look."""

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

# Every claim, in the order in which the story comes to it: name -> what has to be true.
CLAIMS = {
    "first_contact": "The new device calls its ACS: 0 BOOTSTRAP, 1 BOOT",
    "provisioned": "The ACS sets credentials, STUN server and notifications",
    "binding": "The device finds its NAT binding and announces it to the STUN server",
    "reported": "It tells the ACS where to ring: 4 VALUE CHANGE, NATDetected true",
    "filtered": "The NAT drops a genuine request that comes from another port",
    "woken": "The ACS rings and the device answers: 6 CONNECTION REQUEST",
    "once": "Three copies of one request start one session",
    "served": "The ACS reads parameters in that session",
    "forged": "A forged request is refused: bad-signature",
    "replayed": "A replayed request is refused: duplicate",
    "stale": "An old request, correctly signed, is refused: stale",
    "undisturbed": "None of these three starts a session",
    "moved": "After the NAT reboots the device reports its new address by itself",
    "woken_again": "The ACS rings at the new address: 6 CONNECTION REQUEST",
    "secrets": "No password appears on the serial console",
    "rules": "The ACS saw the device break no rule of CWMP",
    "capture": "The capture file tells the same story",
}


@dataclass(frozen=True)
class Line:
    """One thing that happened. `ms`: since power-on; `why`: a few words for newcomers."""

    ms: float
    who: str
    whom: str
    what: str
    why: str = ""
    kind: str = "message"  # or "ring", "hostile", "lost", "quiet"


@dataclass
class Claim:
    """`ok` is None until it is settled; `found`: what was measured."""

    name: str
    text: str
    ok: bool | None = None
    found: str = ""


class Teller(Protocol):
    """Whoever shows the story while it happens."""

    def chapter(self, title: str, text: str) -> None: ...

    def line(self, line: Line) -> None: ...

    def serial(self, text: str) -> None: ...


@dataclass
class Story:
    """The demo's outcome: every claim, and the facts measured on the way (None: not reached)."""

    teller: Teller
    claims: dict[str, Claim] = field(
        default_factory=lambda: {name: Claim(name, text) for name, text in CLAIMS.items()}
    )
    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    start_ns: int = field(default_factory=time.monotonic_ns)

    @property
    def failed(self) -> list[Claim]:
        """The claims that did not come true, among them those never reached."""
        return [claim for claim in self.claims.values() if not claim.ok]

    def settle(self, name: str, ok: bool, found: str) -> None:
        """Note what was measured for a claim: the first measurement, and any failure after it."""
        claim = self.claims[name]
        if claim.ok is None or (claim.ok and not ok):
            claim.ok, claim.found = ok, found

    def tell(
        self,
        who: str,
        whom: str,
        what: str,
        why: str = "",
        *,
        kind: str = "message",
        at_ns: int | None = None,
    ) -> None:
        """Tell one line; `at_ns` is `time.monotonic_ns` of what it tells."""
        ms = ((at_ns or time.monotonic_ns()) - self.start_ns) / 1e6
        line = Line(ms, who, whom, what, why, kind)
        self.lines.append(line)
        self.teller.line(line)
