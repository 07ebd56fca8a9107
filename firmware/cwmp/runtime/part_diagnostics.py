"""The diagnostic tests: IPPing where the board's sockets can speak ICMP, UDPEchoDiagnostics.
The texts that the model gets are made here. See `diagnostics`.
"""

import socket
import sys

_COMMON = """DiagnosticsState WD sRequested|Canceled ~None
Interface W s|Device.IP.Interface.1.|Device.IP.Interface.1 ~
Host W s256 ~
Timeout W u1:60000 ~1000
DSCP W u0:63 ~0
SuccessCount D u ~0
FailureCount D u ~0
AverageResponseTime D u ~0
MinimumResponseTime D u ~0
MaximumResponseTime D u ~0
"""
_PING = """IPPing.
NumberOfRepetitions W u1:1000 ~3
DataBlockSize W u1:65535 ~32
"""
# 1472: one Ethernet frame. lwIP on ESP32 puts no fragments together, and memory has an end.
_UDP_ECHO = """UDPEchoDiagnostics.
Port W u1:65535 ~7
NumberOfRepetitions W u1:1000 ~1
DataBlockSize W u1:1472 ~24
InterTransmissionTime W u1:65535 ~1000
IPAddressUsed D s45 ~
"""


def texts(agent):
    """See `parts`."""
    common = _COMMON
    if sys.platform != "linux":  # lwIP's sockets as MicroPython gives them have no such option
        common = common.replace("u0:63", "u0:0")
    path = "Device.IP.Diagnostics."
    found = (path + "\n", path + _UDP_ECHO + common)
    if agent.port.raw_sockets and hasattr(socket, "SOCK_RAW"):
        found += (path + _PING + common,)
    return found
