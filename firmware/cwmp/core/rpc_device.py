"""GetRPCMethods; Reboot, FactoryReset."""

from micropython import const

from .rpc import SERVED_BY, added
from .rpc_fields import Fields, string_list
from .rpc_parts import response

_KEY = const(32)


def methods():
    """-> names of all methods (CWMP-50)."""
    found = list(added)
    for line in SERVED_BY.split("\n"):
        found.extend(line.split(" ")[1:])
    return sorted(found)


def _get_methods(session, arguments):
    return (_methods,)


def _methods():
    yield b"<cwmp:GetRPCMethodsResponse>"
    yield from string_list("MethodList", methods())
    yield b"</cwmp:GetRPCMethodsResponse>"


# Answered now, done after the session (CWMP-56, CWMP-23).


def _reboot(session, arguments):
    session.reboot = arguments.text("CommandKey", _KEY)
    return response, "Reboot"


def _factory_reset(session, arguments):
    session.factory_reset = True
    return response, "FactoryReset"


SERVED = {
    "GetRPCMethods": (None, _get_methods),
    "Reboot": (Fields, _reboot),
    "FactoryReset": (None, _factory_reset),
}
