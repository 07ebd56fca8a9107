"""UDP Connection Request (Annex G.2.2.3): one pass over a received datagram that allocates nothing.

The scanner is compiled by the viper emitter where the board has one; without it the same lines run as bytecode.
Every integer is kept as the digits that were received: `ts` may have 20 of them, and the HMAC covers the digits
(UCR-09, UCR-12).
"""

import micropython

_const = micropython.const

# Outside the viper emitter a pointer is the buffer itself.
ptr8 = ptr16 = lambda buffer: buffer

# What `scan` answers, in the order of the checks; `_uri`, `_query` and `_rest` answer the negative of it.
OK = _const(0)
NOT_GET = _const(1)
BAD_URI = _const(2)
BAD_QUERY = _const(3)
BAD_NUMBER = _const(4)
BAD_SIGNATURE_FORM = _const(5)
SHA256_SIGNATURE = _const(6)
BAD_VERSION = _const(7)
BAD_HEADERS = _const(8)

REASONS = (
    "ok",
    "not a GET request",
    "bad URI",
    "a field is missing, repeated, empty or too long",
    "ts or id is not 1 to 20 digits",
    "sig is not 40 hex digits",
    "sig has 64 digits (HMAC-SHA256): this CPE speaks HMAC-SHA1",
    "not HTTP/1.1",
    "bad headers or a body",
)

# Fields of `offsets` (array of unsigned 16-bit): start and end of each value, then what decoding un and cn would mean.
TS = _const(0)
ID = _const(2)
UN = _const(4)
CN = _const(6)
SIG = _const(8)
ENCODED = _const(10)
OFFSETS = _const(11)

# Bits of ENCODED.
HAS_ESCAPES = _const(1)  # un or cn holds %XX or +
NOT_ESCAPES = _const(2)  # a % that starts no escape: only the raw reading can be meant (UCR-13)

MAX_DIGITS = _const(20)
MAX_TEXT = _const(256)  # decoded bytes of un and of cn (UCR-08)
TEXT_SIZE = _const(2 * 20 + 2 * 768)  # the longest HMAC text: an encoded byte takes three

_GET = b"GET http://"
_VERSION = b" HTTP/1.1"
_LENGTH = b"content-length:"


def scan(buf, size, offsets, lenient):
    """Find the five fields in `buf[:size]`, fill `offsets`, return OK or what is wrong (UCR-01 to UCR-09).

    buf: bytearray, offsets: array("H") of OFFSETS entries, lenient: 1 for the profile of UCR-07.
    """
    at = _uri(buf, size, lenient)
    if at > 0:
        at = _query(buf, at, size, offsets, lenient)
        if at > 0:
            at = _rest(buf, at, size, lenient)
    return -at


@micropython.viper
def _uri(buf: ptr8, size: int, lenient: int) -> int:
    # From the method to the ?: anything that RFC 3986 allows as an authority, an empty path. Returns the index
    # of the query (UCR-02, UCR-06).
    get = ptr8(_GET)
    if size < 16:
        return -1
    upper = 32 if buf[4] == 72 else 0  # HTTP:// as well as http://, not a mixture
    i = 0
    while i < 11:
        c = buf[i]
        if i >= 4 and i < 8:
            c += upper
        if c != get[i]:
            return -2 if i >= 4 else -1
        i += 1
    start = i
    bracket = 0  # 1 inside of an IPv6 literal, 2 behind it
    port = -1
    while i < size:
        c = buf[i]
        if c == 63 or c == 47:  # ? or /
            break
        if c == 91:  # [
            if i != start:
                return -2
            bracket = 1
        elif c == 93:  # ]
            if bracket != 1:
                return -2
            bracket = 2
        elif c == 58 and bracket != 1:  # :
            if port >= 0 or i == start:
                return -2
            port = 0
        elif port >= 0:
            port = port * 10 + c - 48
            if c < 48 or c > 57 or port > 65535:
                return -2
        elif c <= 32 or c >= 127 or bracket == 2:
            return -2
        elif c == 34 or c == 35 or c == 60 or c == 62 or c == 64 or c == 92 or c == 94 or c == 96 or c >= 123:
            if c != 126:  # "#<>@\\^`{|} stand in no host; ~ may
                return -2
        i += 1
    if i == start or i >= size or bracket == 1:
        return -2
    if buf[i] == 47 and lenient:
        i += 1
    if i >= size or buf[i] != 63:
        return -2
    return i + 1


@micropython.viper
def _query(buf: ptr8, i: int, size: int, offsets: ptr16, lenient: int) -> int:
    # Five names, each once, in any order; others are skipped (UCR-03, UCR-05, UCR-08). Returns the index of the
    # space behind it.
    seen = 0
    offsets[10] = 0
    while True:
        name = i
        while i < size and buf[i] != 61 and buf[i] != 38 and buf[i] > 32:
            i += 1
        field = -1
        if i < size and buf[i] == 61:
            if i - name == 2:
                pair = (buf[name] << 8) | buf[name + 1]
                if pair == 0x7473:  # ts
                    field = 0
                elif pair == 0x6964:  # id
                    field = 2
                elif pair == 0x756E:  # un
                    field = 4
                elif pair == 0x636E:  # cn
                    field = 6
            elif i - name == 3 and buf[name] == 115 and buf[name + 1] == 105 and buf[name + 2] == 103:
                field = 8
            i += 1
        start = i
        length = 0  # once decoded
        encoded = 0
        digits = 1
        hexadecimal = 1
        while i < size:
            c = buf[i]
            if c == 38 or c <= 32:
                break
            if c == 127:
                return -3
            length += 1
            if c < 48 or c > 57:
                digits = 0
                c |= 32
                if c < 97 or c > 102:
                    hexadecimal = 0
                if buf[i] == 43:
                    encoded |= 1
                elif buf[i] == 37:
                    k = 1
                    while k < 3 and i + k < size:
                        c = buf[i + k]
                        if c < 48 or c > 57:
                            c |= 32
                            if c < 97 or c > 102:
                                break
                        k += 1
                    if k == 3:
                        encoded |= 1
                        length -= 2
                    elif lenient:
                        encoded |= 2
                    else:
                        return -3
            i += 1
        if field >= 0:
            if i == start or seen & (1 << field):
                return -3
            seen |= 1 << field
            offsets[field] = start
            offsets[field + 1] = i
            if field <= 2:
                if digits == 0 or i - start > 20:
                    return -4
            elif field == 8:
                if i - start != 40 or hexadecimal == 0:
                    return -6 if i - start == 64 and hexadecimal else -5
            else:
                if length > 256 or i - start > 768:
                    return -3
                offsets[10] = int(offsets[10]) | encoded
        if i >= size or buf[i] != 38:
            break
        i += 1
    return i if seen == 0x155 else -3


@micropython.viper
def _rest(buf: ptr8, i: int, size: int, lenient: int) -> int:
    # Version, headers and the blank line: a body, or the announcement of one, is refused (UCR-01); the lenient
    # profile takes what is missing (UCR-07). Returns 0 when all is well.
    version = ptr8(_VERSION)
    k = 0
    while k < 9:
        if i >= size or buf[i] != version[k]:
            return -7
        i += 1
        k += 1
    announced = ptr8(_LENGTH)
    wrong = -7
    while i < size:
        # Here stands the end of a line.
        if buf[i] == 13:
            i += 1
        elif lenient == 0:
            return wrong
        if i >= size or buf[i] != 10:
            return wrong
        i += 1
        wrong = -8
        start = i
        colon = 0
        k = 0
        while i < size and buf[i] != 10 and buf[i] != 13:
            c = buf[i]
            if c == 58:
                colon = 1
            elif c < 32 and c != 9:
                return -8
            if i - start < 15 and (c | 32) == announced[i - start]:
                k += 1
            i += 1
        if i == start and i < size:  # the blank line: nothing may follow it
            if buf[i] == 13:
                i += 1
            elif lenient == 0:
                return -8
            return 0 if i + 1 == size and buf[i] == 10 else -8
        if colon == 0 and i != start and lenient == 0:
            return -8
        if k == 15:  # only zeros may stand there
            digits = 0
            start += 15
            while start < i:
                c = buf[start]
                if c == 48:
                    digits += 1
                elif c != 32 and c != 9:
                    return -8
                start += 1
            if digits == 0:
                return -8
    return 0 if lenient else -8


@micropython.viper
def copy(buf: ptr8, start: int, end: int, out: ptr8, at: int, decode: int) -> int:
    """Copy `buf[start:end]` to `out[at:]`, decoding %XX and + when `decode` is 1; return the index after it."""
    while start < end:
        c = buf[start]
        if decode:
            if c == 43:
                c = 32
            elif c == 37:
                high = buf[start + 1]
                low = buf[start + 2]
                c = (((high & 15) + (high >> 6) * 9) << 4) | ((low & 15) + (low >> 6) * 9)
                start += 2
        out[at] = c
        at += 1
        start += 1
    return at


@micropython.viper
def compare(buf: ptr8, start: int, end: int, digits: ptr8, at: int, length: int) -> int:
    """Compare two decimal numbers of any size: -1, 0 or 1 for `buf[start:end]` <, =, > `digits[at:at+length]`."""
    stop = at + length
    while start < end and buf[start] == 48:
        start += 1
    while at < stop and digits[at] == 48:
        at += 1
    if end - start != stop - at:
        return -1 if end - start < stop - at else 1
    while start < end:
        if buf[start] != digits[at]:
            return -1 if buf[start] < digits[at] else 1
        start += 1
        at += 1
    return 0
