"""UDP Connection Request (Annex G.2.2.3): one pass over a received datagram that allocates
nothing.

The scanner is compiled by the viper emitter where the board has one; without it the same lines run
as bytecode. Every integer is kept as the digits that were received: `ts` may have 20 of them, and
the HMAC covers the digits (UCR-09, UCR-12).
"""

import micropython
from micropython import const

from .emitter import ptr8, ptr16

# What is wrong with a datagram, in the order of the checks: `read` answers the negative of it.
NOT_GET = const(1)
BAD_URI = const(2)
BAD_QUERY = const(3)
BAD_NUMBER = const(4)
BAD_SIGNATURE_FORM = const(5)
SHA256_SIGNATURE = const(6)
BAD_VERSION = const(7)
BAD_HEADERS = const(8)
WRONG_USERNAME = const(9)
OLD_TS = const(10)

# The offsets are an array of unsigned 16-bit: start and end of each value as found, what decoding
# un and cn would mean, and what `read` is told: the longest datagram, 1 for the lenient profile
# (UCR-07), the length of the username.
TS = const(0)
ID = const(2)
UN = const(4)
CN = const(6)
SIG = const(8)
ENCODED = const(10)
LONGEST = const(11)
LENIENT = const(12)
USERNAME = const(13)
OFFSETS = const(14)

# Bits of ENCODED.
HAS_ESCAPES = const(1)  # un or cn holds %XX or +
NOT_ESCAPES = const(2)  # a % that starts no escape: only the raw reading can be meant (UCR-13)

MAX_DIGITS = const(20)
MAX_TEXT = const(256)  # decoded bytes of un and of cn (UCR-08)
TEXT_SIZE = const(256)  # an HMAC text takes half of it; un or cn once decoded fits, too

_GET = b"GET http://"
_VERSION = b" HTTP/1.1"
_LENGTH = b"content-length:"
_HOST = b"host:"


@micropython.viper
def read(buf, size: int, parts) -> int:
    """Find the five fields in `buf[:size]`, check un, write the HMAC text (UCR-01 to UCR-14).

    buf: bytes or bytearray. parts: a tuple, so that few arguments keep the caller's frame off the
    heap, of offsets: array("H") of OFFSETS entries, which is filled; username: bytes; text:
    bytearray of TEXT_SIZE, which is filled; newest: begins with 1 + n and the n digits of the last
    accepted ts, or with 0; a query that begins with an older one is not read any further. Returns
    the length of the text; 0 when it is longer than TEXT_SIZE, or when escapes leave it open what
    un and cn are, neither is checked then; the negative of what is wrong.
    """
    offsets = parts[0]
    o = ptr16(offsets)
    if size > o[11]:
        return -2
    lenient = o[12]
    at = int(_uri(buf, size, lenient))
    if at < 0:
        return at
    b = ptr8(buf)
    last = ptr8(parts[3])
    if last[0] != 0 and at + 3 < size and b[at] == 116 and b[at + 1] == 115 and b[at + 2] == 61:
        # ts= comes first, as every known ACS sends it: the cheapest check of all. Whatever else
        # stands in such a datagram, it is stale or malformed.
        i = at + 3
        while i < size and b[i] == 48:
            i += 1
        start = i
        order = 0
        while i < size and b[i] >= 48 and b[i] <= 57 and i - start <= 20:
            if order == 0 and i - start < 20:
                order = b[i] - last[1 + i - start]
            i += 1
        if i < size and b[i] == 38:
            if i - start != last[0] - 1:
                order = i - start - last[0] + 1
            if order < 0:
                return -10
    at = int(_query(buf, at, size, offsets, lenient))
    if at > 0:
        at = int(_rest(buf, at, size, lenient))
    if at < 0 or o[10] != 0:
        return at
    # As it stands is all that it can mean: the text is the four values, and un has to be the
    # username.
    out = ptr8(parts[2])
    length = o[13]
    i = o[4]
    if o[5] - i != length:
        return -9
    name = ptr8(parts[1])
    k = 0
    while k < length:
        if b[i + k] != name[k]:
            return -9
        k += 1
    at = 0
    field = 0
    while field < 8:
        i = o[field]
        end = o[field + 1]
        if at + end - i > 256:
            return 0
        while i < end:
            out[at] = b[i]
            at += 1
            i += 1
        field += 2
    return at


@micropython.viper
def _uri(buf: ptr8, size: int, lenient: int) -> int:
    # From the method to the ?: anything that RFC 3986 allows as an authority, an empty path.
    # Returns the index of the query (UCR-02, UCR-06).
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
            if bracket != 1 or i == start + 1:
                return -2
            bracket = 2
        elif bracket == 1:  # hex digits, colons, dots
            if c < 46 or c > 102 or (c > 58 and c < 65) or (c > 70 and c < 97):
                return -2
        elif c == 58:  # :
            if port >= 0 or i == start:
                return -2
            port = 0
        elif port >= 0:
            port = port * 10 + c - 48
            if c < 48 or c > 57 or port > 65535:
                return -2
        elif c <= 32 or c >= 127 or bracket == 2:
            return -2
        elif (
            c == 34
            or c == 35
            or c == 60
            or c == 62
            or c == 64
            or c == 92
            or c == 94
            or c == 96
            or c >= 123
        ):
            if c != 126:  # "#<>@\\^`{|} stand in no host; ~ may
                return -2
        elif c == 37:  # an escape, whole
            k = i + 2
            while i < k:
                i += 1
                if i >= size:
                    return -2
                c = buf[i]
                if c < 48 or c > 57:
                    c |= 32
                    if c < 97 or c > 102:
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
    # Five names, each once, in any order; others are skipped (UCR-03, UCR-05, UCR-08). Returns the
    # index of the space behind it.
    seen = 0
    offsets[10] = 0
    while True:
        name = i
        while i < size and buf[i] != 61 and buf[i] != 38 and buf[i] > 32:
            if buf[i] == 127:
                return -3
            i += 1
        field = -1
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
        if i < size and buf[i] == 61:
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
    # Version, headers and the blank line: a body, or the announcement of one, is refused (UCR-01);
    # the lenient profile takes what is missing (UCR-07). Returns 0 when all is well.
    version = ptr8(_VERSION)
    k = 0
    while k < 9:
        if i >= size or buf[i] != version[k]:
            return -7
        i += 1
        k += 1
    announced = ptr8(_LENGTH)
    named = ptr8(_HOST)
    host = lenient
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
        colon = 0  # 1 + its index
        k = 0
        h = 0
        while i < size and buf[i] != 10 and buf[i] != 13:
            c = buf[i]
            if colon == 0:
                if c == 58 and i != start:
                    colon = i + 1
                elif c <= 32 or c == 58 or c == 127:
                    return -8
                if i - start < 15 and (c | 32) == announced[i - start]:
                    k += 1
                if i - start < 5 and (c | 32) == named[i - start]:
                    h += 1
            elif c < 32 and c != 9:
                return -8
            i += 1
        if i == start and i < size:  # the blank line: nothing may follow it
            if buf[i] == 13:
                i += 1
            elif lenient == 0:
                return -8
            return 0 if host and i + 1 == size and buf[i] == 10 else -8
        if colon == 0 and i != start:
            return -8
        if h == 5:
            host = 1
        if k == 15:  # one number, and only zeros in it
            digits = 0  # 1 in it, 2 behind it
            while colon < i:
                c = buf[colon]
                if c == 48:
                    if digits == 2:
                        return -8
                    digits = 1
                elif c == 32 or c == 9:
                    digits += digits & 1
                else:
                    return -8
                colon += 1
            if digits == 0:
                return -8
    return 0 if lenient else -8


@micropython.viper
def copy(buf: ptr8, start: int, end: int, out: ptr8, at: int, decode: int) -> int:
    """Copy `buf[start:end]` to `out[at:]`, decoding %XX and + when `decode` is 1; return the index
    after it.
    """
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
