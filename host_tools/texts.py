"""Short texts of modules that come and go are no names: they go with the module, on a board.

MicroPython makes a name of every text of up to ten characters in a module's code, and keeps names
for ever. In a compiled module such a text is loaded by its place in the table of names; here those
that nothing else uses move to the table of objects, where longer texts are. While the module is
there an object takes 32 bytes of an ESP32, the name took some 15 and its share of a table that
doubles in one piece: so this is for modules that are dropped, and what stays keeps its names.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from host_tools.errors import Failed
from host_tools.names import encoded, number

# Of MicroPython's bytecode, version 6 (py/bc0.h there): how an instruction goes on, by its upper
# half: a name, a number, a jump. Some have one more byte.
_NAME, _NUMBER, _JUMP = {1}, {2, 3}, {4}
_LOAD_TEXT, _LOAD_OBJECT = 0x10, 0x23
_PLAIN = 0x9E  # none of these bits: one more byte
_TEXT = 5  # type of an object in the table
_EMPTY = b"\x03"  # the name "", which every MicroPython has, for a place that nobody uses now


@dataclass
class _Compiled:
    """A compiled module. `names`: entry and text, None for one that every MicroPython has."""

    names: list[tuple[bytes, str | None]]
    count: int  # of objects
    objects: bytes
    code: bytearray
    texts: dict[int, list[int]] = field(default_factory=dict)  # name -> where it is loaded as text
    used: set[int] = field(default_factory=set)  # as anything else
    native: bool = False  # there is code that is not looked into


def _varint(code: bytes | bytearray, at: int) -> int:
    """Return the length of the number there."""
    size = 1
    while code[at + size - 1] & 0x80:
        size += 1
    return size


def _read(mpy: bytes) -> _Compiled:
    if mpy[:2] != b"M\x06":
        raise Failed("mpy-cross wrote a .mpy of a version whose texts are not known here")
    count, at = number(mpy, 4)
    objects, at = number(mpy, at)
    names: list[tuple[bytes, str | None]] = []
    for _ in range(count):
        start = at
        size, at = number(mpy, at)
        text = None
        if not size & 1:
            text = mpy[at : at + (size >> 1)].decode()
            at += (size >> 1) + 1
        names.append((mpy[start:at], text))
    start = at
    for _ in range(objects):
        at = _after_object(mpy, at)
    made = _Compiled(names, objects, mpy[start:at], bytearray(mpy[at:]))
    _function(made, 0)
    return made


def _after_object(mpy: bytes, at: int) -> int:
    kind = mpy[at]
    at += 1
    if kind <= 4:  # None, False and the like
        return at
    size, at = number(mpy, at)
    if kind == 10:  # a tuple
        for _ in range(size):
            at = _after_object(mpy, at)
        return at
    return at + size + (kind in (_TEXT, 6))  # text and bytes end with a zero


def _function(made: _Compiled, at: int) -> int:
    """Look through a function and those in it; return where they end."""
    head, at = number(made.code, at)
    end = at + (head >> 3)
    if head & 3:
        made.native = True
    if made.native:
        return end
    _instructions(made, at, end)
    if head & 4:
        children, end = number(made.code, end)
        for _ in range(children):
            end = _function(made, end)
            if made.native:
                break
    return end


def _instructions(made: _Compiled, at: int, end: int) -> None:
    code = made.code
    # Two numbers that are spread over bytes: arguments, and what comes before the instructions.
    byte = code[at]
    arguments, more, shift = byte & 3, 0, 0
    while byte & 0x80:
        at += 1
        byte = code[at]
        arguments |= (byte & 4) << shift
        more |= ((byte & 8) >> 3) << shift
        shift += 1
    at += 1
    cells = info = shift = 0
    while True:
        byte = code[at]
        at += 1
        cells |= (byte & 1) << shift
        info |= ((byte & 0x7E) >> 1) << 6 * shift
        shift += 1
        if not byte & 0x80:
            break
    start = at + info + cells
    for _ in range(1 + arguments + more):
        name, at = number(code, at)
        made.used.add(name)
    at = start
    while at < end:
        operation = code[at]
        kind = operation >> 4
        if kind in _NAME:
            name, after = number(code, at + 1)
            if operation == _LOAD_TEXT:
                made.texts.setdefault(name, []).append(at)
            else:
                made.used.add(name)
            at = after
            continue
        at += 1
        if kind in _NUMBER:
            at += _varint(code, at)
        elif kind in _JUMP:
            at += 2 if code[at] & 0x80 else 1
        at += not operation & _PLAIN
    if at != end:
        raise Failed("mpy-cross wrote bytecode that is not known here")


def _written(made: _Compiled, head: bytes, moving: Iterable[int]) -> bytes:
    count, objects = made.count, made.objects
    for name in moving:
        text = made.names[name][1]
        assert text is not None
        places = made.texts[name]
        if any(count >= 1 << 7 * _varint(made.code, at + 1) for at in places):
            continue  # its number is longer than that of the name
        for at in places:
            size = _varint(made.code, at + 1)
            made.code[at] = _LOAD_OBJECT
            made.code[at + 1 : at + 1 + size] = _wide(count, size)
        data = text.encode()
        objects += bytes((_TEXT,)) + encoded(len(data)) + data + b"\0"
        count += 1
        made.names[name] = (_EMPTY, None)
    table = b"".join(entry for entry, _ in made.names)
    return head + encoded(len(made.names)) + encoded(count) + table + objects + bytes(made.code)


def _wide(value: int, size: int) -> bytes:
    """A number in exactly `size` bytes."""
    return bytes((value >> 7 * at & 0x7F) | (0x80 if at else 0) for at in reversed(range(size)))


def without_passing_names(
    files: Mapping[str, bytes], staying: Collection[str], names: Collection[str]
) -> dict[str, bytes]:
    """Return compiled modules (path -> .mpy) in which short texts of those that are not `staying`
    are objects, if no module has them as a name and they are not among `names`: what has to be a
    name, or is one anyway.
    """
    modules = {path: _read(mpy) for path, mpy in files.items()}
    taken = set(names)
    for path, made in modules.items():
        taken.update(_kept(made, path in staying or made.native))
    done = {}
    for path, made in modules.items():
        moving = sorted(
            name
            for name in made.texts
            if path not in staying
            and not made.native
            and made.names[name][1] is not None
            and made.names[name][1] not in taken
        )
        done[path] = _written(made, files[path][:4], moving) if moving else files[path]
    return done


def _kept(made: _Compiled, all_of_it: bool) -> Iterator[str]:
    for at, (_, text) in enumerate(made.names):
        if text is not None and (all_of_it or at in made.used):
            yield text
