"""The model InternetGatewayDevice, for a site that wants that root (CWMP-32). The names are
those of the whole firmware; what an ACS reads begins otherwise: see `wire.soap.path`.
"""

from ..core.device2 import DEVICE2

_WAN = "Device.WANDevice."
_CONNECTION = _WAN + "1.WANConnectionDevice."
_SUMMARY = """Device.
DeviceSummary I s1024 =InternetGatewayDevice:1.8[]()
"""
_SPEC_VERSION = "SpecVersion I s16 =1.0\n"
_OBJECTS = (
    _WAN + "\n",
    _WAN + "1.\n",
    _CONNECTION + "\n",
    _CONNECTION + "1.\n",
    _CONNECTION + "1.WANIPConnection.\n",
    _CONNECTION
    + """1.WANIPConnection.1.
ConnectionStatus - s @gateway.status
ExternalIPAddress I s45 @gateway.address
""",
)


def texts(agent):
    """See `parts`."""
    return (_SUMMARY, DEVICE2[1] + _SPEC_VERSION) + DEVICE2[2:] + _OBJECTS


def value(agent, key):
    """Return a value of this part."""
    if key == "address":
        return agent.local_ip
    return "Connected" if agent.local_ip else "Disconnected"
