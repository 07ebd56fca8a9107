"""GetRPCMethods; Reboot, FactoryReset; AddObject, DeleteObject."""

from micropython import const

from .fault import CwmpFault
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


def _change_object(session, arguments):
    # The model has no table that the ACS may change (CWMP-55).
    path = arguments.text("ObjectName")
    arguments.text("ParameterKey", _KEY)
    if not path or path[-1] != ".":
        raise CwmpFault(9005)
    session.model.children(path, True)
    raise CwmpFault(9001)


SERVED = {
    "GetRPCMethods": (None, _get_methods),
    "Reboot": (Fields, _reboot),
    "FactoryReset": (None, _factory_reset),
    "AddObject": (Fields, _change_object),
    "DeleteObject": (Fields, _change_object),
}
