"""What the firmware's own dynamic parameters are at the moment: those that `core/device2.py` and
the parts declare with `@`. Loaded when somebody reads one.
"""

import gc

from .slices import borrow

_PARTS = {
    "binding": "runtime.part_binding",
    "gateway": "runtime.part_gateway",
    "time": "runtime.part_time",
    "wifi": "runtime.part_wifi",
}
_ENABLED = "Device.ManagementServer.HTTPConnectionRequestEnable"


def value(management, key):
    """Return the value that a declaration calls `@key`; `@part.key`: `part_*.py` knows it."""
    agent = management.agent
    part, dot, rest = key.partition(".")
    if dot:
        return borrow(_PARTS[part]).value(agent, rest)
    if key == "up_time":
        return agent.now() // 1000
    if key == "connection_request_url":
        # GenieACS will not even ring by UDP when this is no URL (UCR-35).
        if not management.model.value(_ENABLED):
            return ""  # TCR-25
        site = agent.site["connection_request"]
        host = site["http_host"] or agent.local_ip or "0.0.0.0"
        return ("http://[{}]:{}/{}" if ":" in host else "http://{}:{}/{}").format(
            host, site["port"], agent.path
        )
    if key == "udp_connection_request_address":
        return agent.binding.reported[0]
    if key == "nat_detected":
        return agent.binding.nat_detected
    if key == "ip_address":
        return agent.local_ip
    if key == "ip_status":
        return "Up" if agent.local_ip else "Down"
    if key == "ip_address_status":
        return "Enabled" if agent.local_ip else "Disabled"
    if key == "memory_total":
        return (gc.mem_alloc() + gc.mem_free()) // 1024  # KiB
    if key == "memory_free":
        gc.collect()  # what nobody needs any more is free, too
        return gc.mem_free() // 1024
    raise KeyError(key)
