"""What the console says of the device, above all why it cannot be woken when it cannot."""

from ..core import connection_request as gate
from ..core import nat_binding


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
        agent.schedule.why(now) if able else "none can start",
        agent.sessions_done,
        agent.sessions_failed,
    )
    for line in binding(agent, now):
        yield line
    counts = agent.gate.counts
    shown = ["{}={}".format(gate.NAMES[i], counts[i]) for i in range(len(counts)) if counts[i]]
    if agent.udp and agent.udp.unknown:
        shown.append("neither={}".format(agent.udp.unknown))  # nor STUN
    yield "requests  " + (" ".join(shown) or "none yet")
    reasons = why_not(agent, now)
    if not reasons:
        yield "wake      ready: an ACS can ring at {}".format(agent.binding.reported[0])
    for reason in reasons:
        yield "wake      NOT READY: " + reason if _fatal(reason) else "wake      note: " + reason


def _fatal(reason):
    return not reason.startswith("the last session failed") and not reason.startswith("rate limit")


def binding(agent, now):
    """Yield the lines of the `binding` command."""
    b = agent.binding
    address, nat = b.reported
    if b.state == nat_binding.OFF:
        yield "binding   STUN is off; listening at {}".format(address or "(no address)")
        return
    yield "binding   {} nat={} state={} keepalive={} s".format(
        address or "(none)", 1 if nat else 0, nat_binding.STATES[b.state], b.period
    )
    answered = (
        "never"
        if b.answered is None
        else "{} s ago, round trip {} ms".format((now - b.answered) // 1000, b.round_trips[-1])
    )
    yield "stun      {} last answer {}{}".format(
        _server(b), answered, "; " + b.failure if b.failure else ""
    )
    yield "stun      " + " ".join(
        ["{}={}".format(name, b.counts[name]) for name in sorted(b.counts)]
    )
