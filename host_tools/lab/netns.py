"""A real NAT: the kernel's, between network namespaces of our own.

    inside 192.168.77.2 --- 192.168.77.1 router 203.0.113.1 --- 203.0.113.10, .11 outside

The namespaces hang on this process alone, see `namespace`. Nothing outside them is touched.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass

from host_tools.lab.namespace import TOOLS, Namespace, Unavailable, tool, write
from host_tools.lab.nat import Behaviour
from host_tools.lab.stun_codec import Address

INSIDE = "192.168.77.2"
ROUTER_INSIDE = "192.168.77.1"
ROUTER_OUTSIDE = "203.0.113.1"
OUTSIDE = "203.0.113.10"
OUTSIDE_ALTERNATE = "203.0.113.11"
# Below the ports that systems draw for sockets: no inside port falls into it by chance.
PORTS = (20000, 20999)
LAST_PORT = 32767

_CONNTRACK = re.compile(
    r"udp .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?dst=(\S+) sport=\d+ dport=(\d+)"
)


@dataclass(frozen=True)
class Tracked:
    """One UDP entry of the kernel's connection tracking table."""

    inside: Address
    remote: Address
    outside: Address


class KernelNat:
    """The three namespaces and the NAT between them; use as a context manager.

    `ports` = (first, last) rewrites every port into that range, None keeps the inside port if it
    is free. `mapping`: endpoint-independent (the kernel gives a source the same port again while
    it holds one) or address-and-port-dependent (a fresh random port per destination).
    `filtering`: address-and-port-dependent is what the kernel does; the other two are built with
    nftables maps of the ports held, for endpoint-independent mappings. `hairpin`, for
    endpoint-independent filtering: what comes from inside for an outside port goes to its holder,
    from the outside address; without it the kernel drops that. `timeout` and
    `stream_timeout` are the kernel's UDP timeouts in whole seconds (the second one counts once
    traffic has gone both ways for 2 s).
    """

    def __init__(
        self,
        *,
        ports: tuple[int, int] | None = PORTS,
        mapping: Behaviour | str = Behaviour.ENDPOINT_INDEPENDENT,
        filtering: Behaviour | str = Behaviour.ADDRESS_AND_PORT_DEPENDENT,
        hairpin: bool = False,
        timeout: int = 30,
        stream_timeout: int | None = None,
    ) -> None:
        self.ports = ports
        self.mapping = Behaviour(mapping)
        self.filtering = Behaviour(filtering)
        self.hairpin = hairpin
        self.timeout = timeout
        self.stream_timeout = timeout if stream_timeout is None else stream_timeout
        if self.mapping is Behaviour.ADDRESS_DEPENDENT:
            raise ValueError("the kernel has no address-dependent mapping")
        if (
            self.mapping is not Behaviour.ENDPOINT_INDEPENDENT
            and self.filtering is not Behaviour.ADDRESS_AND_PORT_DEPENDENT
        ):
            raise ValueError("such a mapping goes with address-and-port-dependent filtering only")
        if hairpin and self.filtering is not Behaviour.ENDPOINT_INDEPENDENT:
            raise ValueError("hairpin goes with endpoint-independent filtering only")
        self._namespaces: list[Namespace] = []

    @property
    def outside_host(self) -> str:
        return ROUTER_OUTSIDE

    def __enter__(self) -> "KernelNat":
        for name in TOOLS:
            tool(name)
        try:
            self.inside, self.router, self.outside = (
                self._make(label) for label in ("inside", "router", "outside")
            )
            self._connect()
            self._set_timeouts()
            self._load_rules()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End what runs inside and let go of the namespaces."""
        for namespace in self._namespaces:
            namespace.close()
        self._namespaces.clear()

    def rebind(self, ports: tuple[int, int] | None = None) -> None:
        """Forget every mapping and give ports of another range, as a NAT that reboots."""
        if ports is None:
            ports = self._next_range()
        self.ports = ports
        self.expire()

    def _next_range(self) -> tuple[int, int]:
        if self.ports is None:
            return PORTS
        first, last = self.ports
        width = last - first + 1
        if last + width <= LAST_PORT:
            return first + width, last + width
        return PORTS if first > PORTS[1] else (PORTS[0] - width, PORTS[0] - 1)

    def expire(self) -> None:
        """Forget every mapping now."""
        self._load_rules()
        self.router.run(["conntrack", "-F"])

    def tracked(self) -> list[Tracked]:
        """The UDP mappings that the kernel holds for the inside."""
        listing = self.router.run(["conntrack", "-L", "-p", "udp"]).stdout
        found = []
        for match in _CONNTRACK.finditer(listing):
            source, remote, sport, dport, outside, port = match.groups()
            if source == INSIDE:
                entry = Tracked((source, int(sport)), (remote, int(dport)), (outside, int(port)))
                found.append(entry)
        return found

    @property
    def mappings(self) -> list[tuple[Address, Address]]:
        """(inside source, outside address) of every UDP mapping."""
        found = {entry.inside: entry.outside for entry in self.tracked()}
        return list(found.items())

    @property
    def counters(self) -> Counter[str]:
        """Datagrams from outside, since the NAT started or rebooted: those let in ("inbound") and
        those that were for nobody ("filtered").
        """
        listing = self.router.run(["nft", "--json", "list", "counters"]).stdout
        listed = [entry["counter"] for entry in json.loads(listing)["nftables"][1:]]
        return Counter({entry["name"]: entry["packets"] for entry in listed})

    def _make(self, label: str) -> Namespace:
        namespace = Namespace(label)
        self._namespaces.append(namespace)
        return namespace

    def _connect(self) -> None:
        """Two cables. Device names are local to a namespace, so they never clash."""
        self._cable("in0", ROUTER_INSIDE, self.inside, [INSIDE], ROUTER_INSIDE)
        self._cable("out0", ROUTER_OUTSIDE, self.outside, [OUTSIDE, OUTSIDE_ALTERNATE], None)
        with self.router.entered():
            write("/proc/sys/net/ipv4/ip_forward", "1")

    def _cable(
        self, device: str, router: str, end: Namespace, addresses: list[str], gateway: str | None
    ) -> None:
        lines = [f"link add {device} type veth peer name eth0 netns {end.path}"]
        lines += [f"addr add {router}/24 dev {device}", "link set lo up", f"link set {device} up"]
        for line in lines:
            self.router.run(["ip", *line.split()])
        lines = [f"addr add {address}/24 dev eth0" for address in addresses]
        lines += ["link set lo up", "link set eth0 up"]
        lines += [f"route add default via {gateway}"] if gateway else []
        for line in lines:
            end.run(["ip", *line.split()])

    def _set_timeouts(self) -> None:
        base = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
        with self.router.entered():
            write(base, str(self.timeout))
            write(base + "_stream", str(self.stream_timeout))

    def _load_rules(self) -> None:
        self.router.run(["nft", "-f", "-"], stdin=self._rules())

    def _rules(self) -> str:
        symmetric = self.mapping is Behaviour.ADDRESS_AND_PORT_DEPENDENT
        to = f"to :{self.ports[0]}-{self.ports[1]}" if self.ports else ""
        manner = "fully-random" if symmetric else ""
        # The map and the set remember, as long as a mapping lives, which inside endpoint holds an
        # outside port and whom it has written to; from these strangers are let in.
        lives = f"flags dynamic,timeout; size 4096; timeout {max(self.timeout, 1)}s;"
        let_in = {
            Behaviour.ENDPOINT_INDEPENDENT: "dnat ip to udp dport map @holder",
            Behaviour.ADDRESS_DEPENDENT: (
                "ip saddr . udp dport @contacted dnat ip to udp dport map @holder"
            ),
            Behaviour.ADDRESS_AND_PORT_DEPENDENT: "accept",
        }[self.filtering]
        turn = turned = ""
        if self.hairpin:
            turn = (
                f'iifname "in0" ip daddr {ROUTER_OUTSIDE} meta l4proto udp'
                " dnat ip to udp dport map @holder"
            )
            turned = f'oifname "in0" ip saddr {ROUTER_INSIDE}/24 snat to {ROUTER_OUTSIDE}'
        return f"""
            flush ruleset
            table ip lab {{
              map holder {{ type inet_service : ipv4_addr . inet_service; {lives} }}
              set contacted {{ type ipv4_addr . inet_service; {lives} }}
              counter inbound {{ }}
              counter filtered {{ }}
              chain prerouting {{
                type nat hook prerouting priority -100;
                iifname "out0" meta l4proto udp {let_in}
                {turn}
              }}
              chain forward {{
                type filter hook forward priority 0;
                iifname "out0" ct state new ct status & dnat == 0 drop
                iifname "out0" meta l4proto udp counter name inbound
              }}
              chain input {{
                type filter hook input priority 0;
                iifname "out0" meta l4proto udp counter name filtered drop
              }}
              chain postrouting {{
                type nat hook postrouting priority 100;
                oifname "out0" meta l4proto udp masquerade {to} {manner}
                oifname "out0" masquerade
                {turned}
              }}
              chain remember {{
                type filter hook postrouting priority 300;
                oifname "out0" ct direction original udp sport 1-65535 jump note
              }}
              chain note {{
                update @holder {{ udp sport : ct original ip saddr . ct original proto-src }}
                update @contacted {{ ip daddr . udp sport }}
              }}
            }}
        """


def unavailable() -> str | None:
    """Why the kernel's NAT cannot be used here, in one line; None when it can."""
    try:
        with KernelNat():
            return None
    except (Unavailable, RuntimeError) as error:
        return str(error)
