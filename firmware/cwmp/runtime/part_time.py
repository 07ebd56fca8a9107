"""Device.Time, where the site names an NTP server (DM-03)."""

from ..core.cwmp_types import unix_to_iso
from . import clock

_OBJECTS = (
    """Device.Time.
Enable WK b @time.enable
Status - s @time.status
NTPServer1 WK s64 @time.server
CurrentLocalTime D t @time.now
""",
)


def texts(agent):
    """See `parts`."""
    return _OBJECTS


def setters():
    """Return {name: callable(value)} of what can be set."""
    return {"time.enable": clock.enable, "time.server": clock.ask}


def value(agent, key):
    """Return a value of this part."""
    if key == "enable":
        return clock.enabled
    if key == "status":
        return clock.status()
    if key == "server":
        return clock.server or agent.site["time"]["ntp_server"]
    return unix_to_iso(agent.port.unix_time())
