"""GetRPCMethods; Reboot, FactoryReset."""

from micropython import const

from .rpc import METHODS
from .rpc_parts import Fields, response, string_list

_KEY = const(32)


def _get_methods(session, arguments):
    return (_methods,)


def _methods():
    yield b"<cwmp:GetRPCMethodsResponse>"
    yield from string_list("MethodList", sorted(METHODS))
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
