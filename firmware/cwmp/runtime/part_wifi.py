"""Wi-Fi of a station (Device.WiFi), where that is the network."""

_OBJECTS = (
    """Device.WiFi.
RadioNumberOfEntries - u =0
SSIDNumberOfEntries - u =1
EndPointNumberOfEntries - u =1
""",
    """Device.WiFi.SSID.
""",
    """Device.WiFi.SSID.1.
Status - s @wifi.status
MACAddress - s17 @wifi.mac
SSID - s32 @wifi.ssid
""",
    """Device.WiFi.EndPoint.
""",
    """Device.WiFi.EndPoint.1.
Status - s @wifi.end_point
SSIDReference - s256 =Device.WiFi.SSID.1.
""",
    """Device.WiFi.EndPoint.1.Stats.
SignalStrength D i @wifi.rssi
""",
)


def texts(agent):
    """See `parts`."""
    return _OBJECTS


def value(agent, key):
    """Return a value of this part."""
    link = agent.port.link
    if key == "status":
        return "Up" if link.address() else "Down"
    if key == "end_point":
        return "Enabled" if link.address() else "Disabled"
    if key == "mac":
        return link.mac()
    if key == "ssid":
        return agent.site["network"]["ssid"]
    return link.signal()  # dBm
