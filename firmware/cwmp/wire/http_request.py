"""The head of an HTTP/1.x request as a server reads it (TCR-01, TCR-04)."""

from micropython import const

METHOD = const(0)
TARGET = const(1)
AUTHORIZATION = const(2)  # None: there is none
BODY = const(3)  # bytes that follow the head; -1: their end is not known
KEEP_ALIVE = const(4)
END = const(5)  # where the head ends


def read_head(data):
    """Return the fields above, texts as bytes, of the request at the start of `data` (bytearray).

    None while its head is not complete, ValueError when it is no HTTP/1.x.
    """
    if data and not (65 <= data[0] <= 90 or data[0] in b"\r\n"):
        raise ValueError("not http")
    start = 0
    while start < len(data) and data[start] in b"\r\n":
        start += 1
    end = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start)
    if end < 0 or 0 <= bare < end:
        end = bare
    if end < 0:
        return None
    first = None
    found = {}
    for line in bytes(memoryview(data)[start:end]).split(b"\n"):
        if line.endswith(b"\r"):
            line = line[:-1]
        if min(line) < 32 and min(line.replace(b"\t", b" ")) < 32:
            raise ValueError("control character")
        if first is None:
            first = _first(line)
            continue
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not name or b" " in name or b"\t" in name:
            raise ValueError("bad header")
        value = value.strip(b" \t")
        if name in (b"authorization", b"content-length") and found.get(name, value) != value:
            raise ValueError("repeated header")
        found[name] = value
    size = found.get(b"content-length", b"0")
    if not size.isdigit() or len(size) > 10:
        raise ValueError("bad content-length")
    method, target, version = first
    close = version == b"HTTP/1.0" or b"close" in found.get(b"connection", b"").lower()
    return (
        method,
        target,
        found.get(b"authorization"),
        -1 if b"transfer-encoding" in found else int(size),
        not close,
        end + (2 if end == bare else 3),
    )


def _first(line):
    first = line.split(b" ")
    if (
        len(first) != 3
        or not first[0].isalpha()
        or first[1][:1] not in (b"/", b"h", b"*")
        or len(first[2]) != 8
        or not first[2].startswith(b"HTTP/1.")
        or not first[2][7:].isdigit()
    ):
        raise ValueError("bad request line")
    return first
