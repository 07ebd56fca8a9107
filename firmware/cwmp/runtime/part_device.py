"""What every board has: the heap of the firmware, and the interface that leads to the ACS. Its
values are in `values`.
"""

_OBJECTS = (
    """Device.DeviceInfo.MemoryStatus.
Total D u @memory_total
Free D u @memory_free
""",
    """Device.IP.
InterfaceNumberOfEntries - u =1
""",
    """Device.IP.Interface.
""",
    """Device.IP.Interface.1.
Status - s @ip_status
Type - s =Normal
IPv4AddressNumberOfEntries - u =1
""",
    """Device.IP.Interface.1.IPv4Address.
""",
    """Device.IP.Interface.1.IPv4Address.1.
Status - s @ip_address_status
IPAddress - s45 @ip_address
""",
)


def texts(agent):
    """See `parts`."""
    return _OBJECTS
