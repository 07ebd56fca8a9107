"""IPPing, where the board's sockets can speak ICMP. The test itself is in `ping`."""

import sys

_OBJECTS = (
    """Device.IP.Diagnostics.
""",
    """Device.IP.Diagnostics.IPPing.
DiagnosticsState WD sRequested|Canceled ~None
Interface W s|Device.IP.Interface.1.|Device.IP.Interface.1 ~
Host W s256 ~
NumberOfRepetitions W u1:1000 ~3
Timeout W u1:60000 ~1000
DataBlockSize W u1:65535 ~32
DSCP W u0:63 ~0
SuccessCount D u ~0
FailureCount D u ~0
AverageResponseTime D u ~0
MinimumResponseTime D u ~0
MaximumResponseTime D u ~0
""",
)


def bind(agent):
    """See `parts`."""
    objects = _OBJECTS
    if sys.platform != "linux":  # lwIP's sockets as MicroPython gives them have no such option
        objects = (objects[0], objects[1].replace("u0:63", "u0:0"))
    return objects, {}, {}
