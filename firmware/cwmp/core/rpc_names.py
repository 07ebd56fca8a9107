"""GetParameterNames (CWMP-53)."""

from ..wire.soap import array_head, own
from ..wire.soap import path as named
from .rpc_fields import Fields


def _get(session, arguments):
    path = own(arguments.text("ParameterPath"))
    next_level = arguments.boolean("NextLevel")
    count = 0
    for _ in session.model.children(path, next_level):
        count += 1
    return _names, session.model, path, next_level, count


def _names(model, path, next_level, count):
    yield b"<cwmp:GetParameterNamesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterInfoStruct", count)
    for name, writable in model.children(path, next_level):
        yield b"<ParameterInfoStruct><Name>"
        yield named(name)
        yield b"</Name><Writable>1" if writable else b"</Name><Writable>0"
        yield b"</Writable></ParameterInfoStruct>"
    yield b"</ParameterList></cwmp:GetParameterNamesResponse>"


SERVED = {"GetParameterNames": (Fields, _get)}
