"""What the ACS provisioned goes to those who use it. Loaded when a parameter has changed."""

from ..core.date_time import iso_to_unix
from ..core.nat_binding import keepalive_period
from .slices import borrow


def apply(management, now):
    """See `Management.apply`."""
    agent = management.agent
    model = management.model

    def values(names):
        return [model.value("Device.ManagementServer." + name) for name in names.split()]

    wait, multiplier, throttle, enabled, bell = values(
        "CWMPRetryMinimumWaitInterval CWMPRetryIntervalMultiplier"
        " DefaultActiveNotificationThrottle EnableCWMP HTTPConnectionRequestEnable"
    )
    agent.schedule.configure(wait, multiplier, throttle)
    agent.gate.enable(enabled)
    between = borrow("runtime.between")
    between.know_acs(management)
    credentials = values("ConnectionRequestUsername ConnectionRequestPassword")
    credentials.append(agent.acs_url)
    if credentials != agent.credentials:
        if agent.credentials is not None:
            agent.gate.forget()
            if not agent.in_session:
                between.meet_acs(management)
        agent.credentials = credentials
        agent.gate.set_credentials(credentials[0], credentials[1])
    if bell != agent.http_enabled:
        if agent.http_enabled is not None:
            management.url_changed()
        agent.http_enabled = bell
    bell = bell and enabled
    if bell and not agent.doorbell:
        from .doorbell import Doorbell  # noqa: PLC0415 - not every site wants it

        agent.doorbell = Doorbell(agent)
    if agent.doorbell:
        agent.doorbell.open(bell)  # TCR-25
    clock = agent.port.unix_time()
    phase = values("PeriodicInformEnable PeriodicInformInterval PeriodicInformTime")
    phase.append(clock is not None)
    if phase != agent.phase:
        agent.phase = phase
        agent.periodic.configure(
            phase[0], phase[1], iso_to_unix(phase[2]), now, clock, agent.fraction()
        )
    enable, server, port, username, password, shortest, longest = values(
        "STUNEnable STUNServerAddress STUNServerPort STUNUsername STUNPassword"
        " STUNMinimumKeepAlivePeriod STUNMaximumKeepAlivePeriod"
    )
    stun = agent.site["stun"]
    news = agent.binding.configure(
        now,
        enable,
        (server or (agent.acs[0] if agent.acs else ""), port or 3478),
        (agent.local_ip, agent.site["connection_request"]["port"]) if agent.local_ip else None,
        username,
        password,
        (shortest, longest),
        (stun["send_username"], stun["transaction_id"] == "cookie"),
    )
    used = keepalive_period(shortest, longest)
    if news and used != shortest:  # STUN-52
        text = "period minimum={} maximum={} used={}"
        agent.log("W", "binding", text.format(shortest, longest, used))
