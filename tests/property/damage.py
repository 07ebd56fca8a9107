"""Damage on the way of a Connection Request: places, how much goes, what comes instead."""

from hypothesis import strategies as st

SNIPPETS = [
    b"&ts=1",
    b"ts=",
    b"&",
    b"=",
    b"%",
    b"?",
    b"\r\n",
    b"\n",
    b" ",
    b"HTTP/1.1",
    b"Content-Length: 5\r\n",
    b"\0",
    b"\xff",
    b"9" * 21,
]
DAMAGE = st.lists(
    st.tuples(
        st.integers(0, 2**11),
        st.integers(0, 40),
        st.one_of(st.sampled_from(SNIPPETS), st.binary(max_size=3)),
    ),
    min_size=1,
    max_size=3,
)


def damaged(datagram: bytes, damage: list) -> bytes:
    data = bytearray(datagram)
    for place, length, replacement in damage:
        at = place % (len(data) + 1)
        data[at : at + length] = replacement
    return bytes(data)
