"""What every board has: the heap of the firmware, and the interface that leads to the ACS."""

import gc

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


def _free():
    gc.collect()  # what nobody needs any more is free, too
    return gc.mem_free() // 1024


def bind(agent):
    """See `parts`."""
    get = {
        "memory_total": lambda: (gc.mem_alloc() + gc.mem_free()) // 1024,  # KiB
        "memory_free": _free,
        "ip_status": lambda: "Up" if agent.local_ip else "Down",
        "ip_address_status": lambda: "Enabled" if agent.local_ip else "Disabled",
        "ip_address": lambda: agent.local_ip,
    }
    return _OBJECTS, get, {}
