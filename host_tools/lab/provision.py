"""What an ACS sets up on first contact to wake a CPE later: credentials, STUN, notifications."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from host_tools.lab import rpc
from host_tools.lab.cpe import Cpe, Credentials
from host_tools.lab.rpc import Rpc, Typed, Value

ACTIVE = 2  # a change opens a session


@dataclass(frozen=True)
class Provision:
    """Values for every CPE; `stun_host` '' leaves the ACS's own host to the CPE (STUN-22).

    Periods in seconds, -1 = no maximum. `more`: further values, names below ManagementServer.
    `unknown`: also a CPE whose credentials this ACS does not know, not only one that bootstraps.
    """

    stun_host: str = ""
    stun_port: int = 3478
    stun_username: str = ""
    stun_password: str = field(default="", repr=False)
    minimum_keepalive: int = 30
    maximum_keepalive: int = -1
    stun_enable: bool = True
    more: Mapping[str, Value] = field(default_factory=dict)
    unknown: bool = False

    def credentials(self) -> Credentials:
        """Return Connection Request credentials for one CPE, random."""
        return Credentials(f"cr-{secrets.token_hex(4)}", secrets.token_urlsafe(18))

    def calls(self, cpe: Cpe, credentials: Credentials) -> list[Rpc]:
        """Return the requests of the first session, in order."""
        values: dict[str, Value] = {
            "ConnectionRequestUsername": credentials.username,
            "ConnectionRequestPassword": credentials.password,
            "STUNServerAddress": self.stun_host,
            "STUNServerPort": self.stun_port,
            "STUNUsername": self.stun_username,
            "STUNPassword": self.stun_password,
            "STUNMinimumKeepAlivePeriod": self.minimum_keepalive,
            "STUNMaximumKeepAlivePeriod": Typed(str(self.maximum_keepalive), "int"),
            "STUNEnable": self.stun_enable,
            **self.more,
        }
        learnt = [cpe.management(name) for name in ("UDPConnectionRequestAddress", "NATDetected")]
        return [
            # First, or a binding found while this session runs would be nobody's news.
            rpc.set_attributes(dict.fromkeys(learnt, ACTIVE)),
            rpc.set_values({cpe.management(name): value for name, value in values.items()}),
            rpc.get_values(*learnt),
        ]
