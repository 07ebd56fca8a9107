"""GetParameterNames (CWMP-53)."""

from ..wire.soap import array_head, own
from ..wire.soap import path as named
from .fault import CwmpFault
from .rpc_fields import Fields


def children(model, path, next_level):
    """Return an iterator of (name, writable); CwmpFault 9005 or 9003."""
    if path and path[-1] != ".":
        flags = model.find(path)[1]
        if next_level:
            raise CwmpFault(9003, "NextLevel with a complete name")
        return iter(((path, "W" in flags),))
    return (
        (name, "W" in flags)
        for name, flags in model.below(path)
        if not next_level or (name != path and "." not in name[len(path) : -1])
    )


def _get(session, arguments):
    path = own(arguments.text("ParameterPath"))
    next_level = arguments.boolean("NextLevel")
    count = 0
    for _ in children(session.model, path, next_level):
        count += 1
    return _names, session.model, path, next_level, count


def _names(model, path, next_level, count):
    yield b"<cwmp:GetParameterNamesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterInfoStruct", count)
    for name, writable in children(model, path, next_level):
        yield b"<ParameterInfoStruct><Name>"
        yield named(name)
        yield b"</Name><Writable>1" if writable else b"</Name><Writable>0"
        yield b"</Writable></ParameterInfoStruct>"
    yield b"</ParameterList></cwmp:GetParameterNamesResponse>"


SERVED = {"GetParameterNames": (Fields, _get)}
