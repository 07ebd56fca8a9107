"""Reads heads of HTTP/1.1 responses (CWMP-03, CWMP-09). Nobody needs it while a body passes."""

from micropython import const

from .http_error import HttpError

_LINE_MAX = const(1024)

# Headers that we use. The first two are kept as lists, the next three are joined, and of the
# others the first one counts.
_NAMES = (
    b"www-authenticate",
    b"set-cookie",
    b"connection",
    b"content-length",
    b"transfer-encoding",
    b"location",
    b"retry-after",
)


def lines(reader):
    """Return what takes the lines of the head that `reader`, a ResponseReader, reads."""
    last = None  # the header kept last: a folded line continues it

    def take(line):
        nonlocal last
        if not reader.status:
            last = None
            _status(reader, line)
        elif line:
            last = _header(reader.headers, line, last)
        else:
            _end(reader)

    return take


def _status(reader, line):
    if not line:  # blank lines before a status line are a known sin of old servers
        return
    code = line[9:12]
    if (
        len(line) > _LINE_MAX
        or not line.startswith(b"HTTP/1.")
        or not line[7:8].isdigit()
        or line[8:9] != b" "
        or line[12:13] not in b" "
        or len(code) != 3
        or not code.isdigit()
        or code < b"100"
    ):
        raise HttpError("not http")
    reader.status = int(code)
    reader.keep_alive = line[7] != 48  # HTTP/1.0 closes unless it says otherwise
    reader.headers = {}


def _header(headers, line, last):
    # Returns the name of the one that was kept.
    name, colon, value = line.partition(b":")
    name = name.lower()
    folded = line[0] in b" \t"
    if folded:
        value = line
    elif not colon or not name or b" " in name or b"\t" in name:
        raise HttpError("bad header")
    else:
        kind = _NAMES.index(name) if name in _NAMES else 9
        if len(line) > _LINE_MAX and kind > 1:
            raise HttpError("header too long")
        last = name.decode() if kind < 9 else None
    if last is None:
        return None
    try:
        value = value.strip(b" \t")
        if min(value.replace(b"\t", b" ") or b" ") < 0x20 or b"\x7f" in value:
            raise ValueError
        value = value.decode()
    except ValueError:
        raise HttpError("bad header")
    before = headers.get(last)
    if folded:
        if isinstance(before, list):
            before[-1] += " " + value
        else:
            headers[last] += " " + value
    elif kind < 2:
        headers[last] = (before or []) + [value]
    elif before is None:
        headers[last] = value
    elif kind < 5:
        headers[last] = before + "," + value
    else:
        return None
    return last


def _end(reader):
    if reader.status < 200:
        if reader.status == 101:
            raise HttpError("unasked upgrade")
        reader.status = 0  # 100 Continue and its kind: the answer comes, on the same budget
        return
    reader.head_complete = True
    length = reader.headers.get("content-length")
    coding = reader.headers.get("transfer-encoding")
    tokens = [t.strip() for t in reader.headers.get("connection", "").lower().split(",")]
    if "close" in tokens or "keep-alive" in tokens:
        reader.keep_alive = "close" not in tokens
    size = None
    if length is not None:
        # As bytes: digits of other scripts are no digits here.
        sizes = [part.strip() for part in length.encode().split(b",")]
        size = sizes[0]
        if len(size) > 10 or not size.isdigit() or sizes.count(size) != len(sizes):
            raise HttpError("bad content-length")
        size = int(size)
    if coding is not None:
        if size is not None:
            raise HttpError("two body lengths")
        if coding.lower() != "chunked":
            raise HttpError("unknown transfer coding")
    reader.on_line = None
    if reader.status in (204, 304) or size == 0:
        reader.complete = True
    elif coding is not None:
        from .http_chunks import lines as chunk_lines  # noqa: PLC0415 - many an ACS sends none

        reader.on_line = chunk_lines(reader)
    elif size is None:
        reader.until_close = True
        reader.keep_alive = False
        reader.left = reader.room + 1
        reader.room = 0
    else:
        reader.announce(size)
        reader.left = size
