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
Status - s @wifi_status
MACAddress - s17 @wifi_mac
SSID - s32 @wifi_ssid
""",
    """Device.WiFi.EndPoint.
""",
    """Device.WiFi.EndPoint.1.
Status - s @wifi_end_point
SSIDReference - s256 =Device.WiFi.SSID.1.
""",
    """Device.WiFi.EndPoint.1.Stats.
SignalStrength D i @wifi_rssi
""",
)


def bind(agent):
    """See `parts`."""
    port = agent.port
    get = {
        "wifi_status": lambda: "Up" if port.link.address() else "Down",
        "wifi_end_point": lambda: "Enabled" if port.link.address() else "Disabled",
        "wifi_mac": lambda: port.link.mac(),
        "wifi_ssid": lambda: agent.site["network"]["ssid"],
        "wifi_rssi": lambda: port.link.signal(),  # dBm
    }
    return _OBJECTS, get, {}
