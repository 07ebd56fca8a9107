"""GetParameterAttributes (CWMP-60)."""

from ..wire.soap import array_head
from ..wire.soap import path as named
from .rpc_parts import Names


def _get(session, arguments):
    return (_attributes, session.model) + arguments.found(session.model)


def _attributes(model, paths, count):
    from .rpc_fields import string_list  # noqa: PLC0415 - not to read the request with

    yield b"<cwmp:GetParameterAttributesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterAttributeStruct", count)
    for (path,) in paths:
        for name in model.expand(path):
            notification, access_list = model.attributes(name)
            yield b"<ParameterAttributeStruct><Name>"
            yield named(name)
            yield f"</Name><Notification>{notification}</Notification>".encode()
            yield from string_list("AccessList", access_list)
            yield b"</ParameterAttributeStruct>"
    yield b"</ParameterList></cwmp:GetParameterAttributesResponse>"


SERVED = {"GetParameterAttributes": (Names, _get)}
