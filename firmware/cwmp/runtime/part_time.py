"""Device.Time, where the site names an NTP server (DM-03)."""

from ..core.cwmp_types import unix_to_iso
from . import clock

_OBJECTS = (
    """Device.Time.
Enable WK b @ntp_enable
Status - s @ntp_status
NTPServer1 WK s64 @ntp_server
CurrentLocalTime D t @current_time
""",
)


def bind(agent):
    """See `parts`."""
    get = {
        "ntp_enable": lambda: clock.enabled,
        "ntp_status": clock.status,
        "ntp_server": lambda: clock.server or agent.site["time"]["ntp_server"],
        "current_time": lambda: unix_to_iso(agent.port.unix_time()),
    }
    return _OBJECTS, get, {"ntp_enable": clock.enable, "ntp_server": clock.ask}
