"""What the console says of the device, above all why it cannot be woken when it cannot."""

from ..core import connection_request as gate
from ..core import nat_binding
from ..core.schedule_words import why

_STATES = "off resolving asking waiting"  # of core/nat_binding.py

# What the STUN server makes of RESPONSE-ADDRESS, in the order of core/lifetime.py.
_SERVERS = (
    "not known yet what the STUN server can do",
    "the STUN server honours RESPONSE-ADDRESS",
    "the STUN server ignores RESPONSE-ADDRESS and answers the sender",
    "the STUN server does not answer a request with RESPONSE-ADDRESS",
    "the STUN server refuses RESPONSE-ADDRESS",
)

# Kinds of mapping and filtering, in the order of core/nat_kind.py.
_MAPPINGS = (
    "",
    "; one public port for all destinations",
    "; another public port for each destination",
)
_HAIRPINS = (
    "",
    "; whoever is behind it can use the public address, too",
    "; from behind it the public address was not seen to work",
)
_FILTERS = (
    "",
    "; anybody can ring",
    "; an ACS can ring from the STUN server's address only",
    "; an ACS can ring from the STUN server's address and port only",
)


def why_not(agent, now):
    """Return sentences, each a reason why an ACS cannot wake this device now, with what to do;
    empty: it can.
    """
    model = agent.management().model
    reasons = []
    if not model.value("Device.ManagementServer.EnableCWMP"):
        reasons.append(
            "EnableCWMP is false: no session is started and no Connection Request taken"
        )
    if not model.value("Device.ManagementServer.URL"):
        reasons.append("no ACS URL: set acs.url in the site configuration")
    if not agent.gate.has_credentials:
        reasons.append(
            "no ConnectionRequestUsername and ConnectionRequestPassword: every request is refused"
            " until the ACS sets both"
        )
    if not agent.udp:
        reasons.append(
            "the primary UDP port is not open: {}".format(agent.network_error or "no network yet")
        )
    if agent.doorbell and agent.doorbell.error:
        reasons.append(agent.doorbell.error + ": rings by UDP alone")
    binding = agent.binding
    if binding.state == nat_binding.OFF:
        if agent.udp and not binding.reported[0]:
            reasons.append("no local address yet")
    elif binding.mapped is None:
        what = binding.failure or "waiting for the first answer"
        reasons.append("no STUN answer from {}: {}".format(_server(binding), what))
    elif binding.failures:
        reasons.append(
            "the STUN server {} does not answer any more ({}, {} times):"
            " the binding may be gone".format(_server(binding), binding.failure, binding.failures)
        )
    forgets = _forgets(agent)
    if forgets == -1:
        reasons.append("the NAT gives every datagram another address: no ACS can ring through it")
    elif forgets:
        reasons.append(
            "the NAT forgets the binding within the keepalive period of {} s, rings in between are"
            " lost: lower STUNMinimumKeepAlivePeriod".format(forgets)
        )
    if agent.last_failure:
        reasons.append(
            "the last session failed: {}; a ring still starts one at once".format(
                agent.last_failure
            )
        )
    if not agent.schedule.allowed(now):
        reasons.append(
            "rate limit reached: the next Connection Request is served when its period is over"
        )
    return reasons


def _forgets(agent):
    # Seconds of a period that is too long, as probes or three keepalives in a row have shown; -1
    # when no period would do.
    b = agent.binding
    discovery = agent.discovery.get()
    search = discovery and discovery.search
    if search and b.lifetime is None and search.good is None and search.bad == b.period:
        return b.period
    last = b.history[-3:]
    if [what for _, what, _ in last] != ["changed"] * 3:
        return 0
    return -1 if last[2][0] - last[1][0] < 5000 else b.period  # sooner than any keepalive


def _not_from(agent):
    # Notes, each on an ACS that cannot ring by UDP though others can.
    b = agent.binding
    if b.state == nat_binding.OFF or b.mapped is None:
        return
    discovery = agent.discovery.get()
    mapping, filtering, hairpin = discovery.kinds() if discovery else (0, 0, 0)
    if mapping > 1 or filtering > 1:
        yield "the NAT lets in the STUN server alone{}: no ACS on another address can ring".format(
            "" if filtering == 2 else ", from the port that is asked"
        )
    host = agent.acs[0] if agent.acs else ""
    if b.nat_detected and hairpin == 2 and not _private(b.mapped[0]):
        if host == b.mapped[0] or _private(host):
            yield "the ACS {} seems to be behind the same NAT, where {} does not work".format(
                host, b.reported[0]
            )


def _server(binding):
    host, port = binding.server
    return "{}:{}".format(host, port) if host else "(none configured)"


def status(agent, now):
    """Yield the lines of the `status` command."""
    model = agent.management().model
    info = "Device.DeviceInfo."
    yield "cpe       {}-{}-{} version {} on {}, up {} s".format(
        model.get(info + "ManufacturerOUI")[0],
        model.get(info + "ProductClass")[0],
        model.get(info + "SerialNumber")[0],
        model.get(info + "SoftwareVersion")[0],
        agent.port.name,
        now // 1000,
    )
    yield "acs       {}".format(model.value("Device.ManagementServer.URL") or "(none)")
    able = model.value("Device.ManagementServer.URL") and agent.gate.enabled
    yield "session   {}; {} done, {} failed".format(
        why(agent.schedule, now) if able else "none can start",
        agent.sessions_done,
        agent.sessions_failed,
    )
    for line in binding(agent, now):
        yield line
    counts = agent.gate.counts
    shown = ["{}={}".format(gate.name(i), counts[i]) for i in range(len(counts)) if counts[i]]
    if agent.udp and agent.udp.unknown:
        shown.append("neither={}".format(agent.udp.unknown))  # nor STUN
    yield "requests  " + (" ".join(shown) or "none yet")
    yield "doorbell  " + _doorbell(agent)
    for note in _not_from(agent):
        yield "wake      note: " + note
    reasons = why_not(agent, now)
    if not reasons:
        yield "wake      ready: an ACS can ring at {}".format(agent.binding.reported[0])
    for reason in reasons:
        yield "wake      NOT READY: " + reason if _fatal(reason) else "wake      note: " + reason


def _fatal(reason):
    for note in ("the last session failed", "rate limit", "TCP port"):
        if reason.startswith(note):
            return False
    return True


def _doorbell(agent):
    # TCP Connection Requests: whether they are taken, and what became of them.
    bell = agent.doorbell
    if not bell or not bell.listening:
        return "closed" + (": " + bell.error if bell and bell.error else "")
    counts = ["{}={}".format(name, bell.counts[name][0]) for name in sorted(bell.counts)]
    port = agent.site["connection_request"]["port"]
    return "listening on TCP port {}; {}".format(port, " ".join(counts) or "nobody has rung yet")


def binding(agent, now):
    """Yield the lines of the binding in `status`."""
    b = agent.binding
    address, nat = b.reported
    if b.state == nat_binding.OFF:
        yield "binding   STUN is off; listening at {}".format(address or "(no address)")
        return
    yield "binding   {} nat={} state={} keepalive={} s".format(
        address or "(none)", 1 if nat else 0, _STATES.split()[b.state], b.period
    )
    answered = "never"
    if b.answered is not None:
        trips = b.round_trips
        answered = "{} s ago, round trip {} ms ({} to {})".format(
            (now - b.answered) // 1000, trips[-1], min(trips), max(trips)
        )
    yield "stun      {} last answer {}{}".format(
        _server(b), answered, "; " + b.failure if b.failure else ""
    )
    yield "stun      " + " ".join(
        ["{}={}".format(name, b.counts[name]) for name in sorted(b.counts)]
    )
    yield "nat       " + _nat(agent)
    yield "lifetime  " + _lifetime(agent)


def _nat(agent):
    # What is between us and the server, as far as it can be known.
    b = agent.binding
    if b.mapped is None:
        return "not known without an answer"
    if b.local is None:
        return "not known without a local address"
    if not b.nat_detected:
        return "none: the public address is the local one"
    text = "it keeps the port" if b.mapped[1] == b.local[1] else "it gives ports of its own"
    if _private(b.mapped[0]):
        text += "; its own address is private: another NAT is behind it, or the STUN server inside"
    discovery = agent.discovery.get()
    mapping, filtering, hairpin = discovery.kinds() if discovery else (0, 0, 0)
    return text + _MAPPINGS[mapping] + _FILTERS[filtering] + _HAIRPINS[hairpin]


def _private(host):
    parts = host.split(".")
    if len(parts) != 4 or not (parts[0] + parts[1]).isdigit():
        return False  # a name
    first, second = int(parts[0]), int(parts[1])
    return (
        first == 10
        or (first == 172 and 16 <= second < 32)
        or (first == 192 and second == 168)
        or (first == 100 and 64 <= second < 128)
    )


def _lifetime(agent):
    # How the period in use was found.
    b = agent.binding
    if not b.bounds:
        return "the ACS fixes the keepalive period"
    sockets = agent.discovery.get()
    if sockets is None:
        return "minimum period until there is a binding"
    search = sockets.search
    text = _SERVERS[search.server]
    if search.error:
        text += " (error {})".format(search.error)
    if search.server != 1:
        return text + ": minimum period"
    if search.good:
        text += "; an idle binding holds {} s".format(search.good)
    if search.bad:
        text += "; it is forgotten in {} s".format(search.bad)
    if not search.active and search.found:
        text += "; found by {} probes".format(search.probes)
    else:
        text += "; {} probes so far".format(search.probes)
    return text + ("; lost in spite of it {} times".format(search.losses) if search.losses else "")


def history(agent, now):
    """Yield the last events of the binding, the oldest first."""
    for when, what, detail in agent.binding.history:
        if isinstance(detail, tuple):
            detail = "{}:{}".format(*detail)
        yield "history   {} s ago {} {}".format((now - when) // 1000, what, detail)
