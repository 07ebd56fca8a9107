"""Seeded damage: the same bytes for the same seed under CPython and under MicroPython."""

NASTY = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf0\x80\x80\x80",
    b"\xc0\xaf",
    b"\xef\xbf\xbf",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"%",
    b"%00",
    b"+",
    b"&",
    b"&&",
    b"=",
    b"?",
    b"#",
    b"-1",
    b"4294967296",
    b"9" * 20,
    b"9" * 21,
    b"0" * 25 + b"1",
    b"<",
    b">",
    b"</",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<!DOCTYPE a>",
    b"&#0;",
    b"&#x10FFFF;",
    b"&lt;",
    b"&a;",
    b'"',
    b"'",
    b"/",
    b":",
    b";",
    b",",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"fffffffff\r\n",
    b"0\r\n\r\n",
)


class Xorshift:
    """Marsaglia's 32-bit xorshift."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 1) & 0xFFFFFFFF or 1

    def below(self, limit):
        """A number from 0 to limit - 1."""
        x = self.state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.state = x
        return x % limit

    def pick(self, items):
        return items[self.below(len(items))]


def mutate(rng, data, corpus, separator=b"&"):
    """Return `data` with one to three damages; splices take the other part from `corpus`."""
    for _ in range(1 + rng.below(3)):
        data = _MUTATIONS[rng.below(len(_MUTATIONS))](rng, data, corpus, separator)
    return data


def _flip(rng, data, corpus, separator):
    if not data:
        return data
    out = bytearray(data)
    at = rng.below(len(out))
    out[at] ^= 1 << rng.below(8)
    return bytes(out)


def _truncate(rng, data, corpus, separator):
    return data[: rng.below(len(data) + 1)]


def _behead(rng, data, corpus, separator):
    return data[rng.below(len(data) + 1) :] if rng.below(4) == 0 else data


def _splice(rng, data, corpus, separator):
    other = rng.pick(corpus)
    return data[: rng.below(len(data) + 1)] + other[rng.below(len(other) + 1) :]


def _remove(rng, data, corpus, separator):
    at = rng.below(len(data) + 1)
    return data[:at] + data[at + 1 + rng.below(8) :]


def _repeat(rng, data, corpus, separator):
    at = rng.below(len(data) + 1)
    end = at + 1 + rng.below(40)
    return data[:end] + data[at:end] + data[end:]


def _insert(rng, data, corpus, separator):
    at = rng.below(len(data) + 1)
    return data[:at] + rng.pick(NASTY) + data[at:]


def _overwrite(rng, data, corpus, separator):
    at = rng.below(len(data) + 1)
    word = rng.pick(NASTY)
    return data[:at] + word + data[at + len(word) :]


def _random_bytes(rng, data, corpus, separator):
    out = bytearray(data)
    for _ in range(1 + rng.below(4)):
        if out:
            out[rng.below(len(out))] = rng.below(256)
    return bytes(out)


def _parts(rng, data, corpus, separator):
    # Parameters, attributes, lines: removed, doubled, moved.
    parts = data.split(separator)
    at, other = rng.below(len(parts)), rng.below(len(parts))
    how = rng.below(3)
    if how == 0:
        parts.pop(at)
    elif how == 1:
        parts.insert(other, parts[at])
    else:
        parts[at], parts[other] = parts[other], parts[at]
    return separator.join(parts)


def _number(rng, data, corpus, separator):
    # A run of digits becomes another number.
    at = rng.below(len(data) + 1)
    while at < len(data) and not 48 <= data[at] <= 57:
        at += 1
    end = at
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return (
        data[:at]
        + rng.pick((b"", b"0", b"00", b"-1", b"65536", b"2147483648", b"9" * 20, b"9" * 40))
        + data[end:]
    )


def _grow(rng, data, corpus, separator):
    # To any length up to 9000 bytes, rarely: such a datagram costs as much as many small ones.
    if rng.below(16):
        return data
    at = rng.below(len(data) + 1)
    return data[:at] + bytes([rng.below(256)]) * rng.below(9000 - min(len(data), 8999)) + data[at:]


_MUTATIONS = (
    _flip,
    _flip,
    _truncate,
    _behead,
    _splice,
    _remove,
    _repeat,
    _insert,
    _overwrite,
    _random_bytes,
    _parts,
    _parts,
    _number,
    _grow,
)
