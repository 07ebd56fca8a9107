"""The digest that a TCP Connection Request must carry (TCR-10 to TCR-12, TCR-15, B14).

A nonce is random, says when it was made, and carries a hash with a key that the board drew when it
started: a stranger who asks for many makes nobody else's void, and takes no memory. What is kept
are the few that were used, with their last count.

`state` outlives this module where it is dropped between two requests: [key, time, used]. Nonces
made at `time` (ms) or before are void; `used` is a list of [nonce, made, last nc].
"""

from binascii import hexlify, unhexlify
from hashlib import md5, sha1

from micropython import const

from ..wire.hmac_sha1 import equal

_LIFETIME = const(300000)  # ms (TCR-11)
_USED_MAX = const(4)
_RANDOM = const(8)
_MADE = const(14)  # where the bytes end that say when
_SIZE = const(24)
_REALM = b"esp-cwmp"
STALE = "stale"


def new_state(key):
    """Return the state at the start; `key`: 16 random bytes."""
    return [key, -1, []]


def challenge(state, now, random, stale):
    """Return the value (bytes) of WWW-Authenticate with a nonce made of 8 `random` bytes."""
    nonce = random + now.to_bytes(_MADE - _RANDOM, "big")
    nonce = hexlify(nonce + _mac(state, nonce))
    parts = b'Digest realm="', _REALM, b'", nonce="', nonce, b'", qop="auth", algorithm=MD5'
    return b"".join(parts + (b', opaque="', nonce[:16], b'", stale=true' if stale else b'"'))


def check(state, now, username, password, target, authorization):
    """Return "" when this Authorization (bytes) of a GET for `target` (bytes) is good, else why it
    is not, in one word.

    STALE: all is right but the nonce, which is too old, was used, or is another boot's.
    """
    if not username or not password:
        return "no-credentials"  # TCR-15
    try:
        given = parameters(authorization)
        names = b"username realm nonce uri response nc cnonce qop"
        values = [given[name] for name in names.split()]
        count = int.from_bytes(unhexlify(values[5]), "big")
    except (ValueError, KeyError):
        return "unreadable"
    name, realm, nonce, uri, response, nc, cnonce, qop = values
    if name != username.encode():
        return "wrong-username"
    if uri != target:
        return "wrong-uri"
    if (
        realm != _REALM
        or qop != b"auth"
        or len(nc) != 8
        or given.get(b"algorithm", b"MD5").lower() != b"md5"
    ):
        return "wrong-digest"
    wanted = _hash(
        _hash(name, realm, password.encode()), nonce, nc, cnonce, qop, _hash(b"GET", uri)
    )
    if len(response) != 32 or not equal(wanted, 0, response.lower(), 0, 32):
        return "wrong-digest"
    return "" if _fresh(state, now, nonce, count) else STALE


def _fresh(state, now, nonce, count):
    # Counts one use of a nonce that is ours, young, and was not used with this count or a higher
    # one (B14).
    try:
        raw = unhexlify(nonce)
    except ValueError:
        return False
    if len(raw) != _SIZE or not equal(_mac(state, raw[:_MADE]), 0, raw, _MADE, _SIZE - _MADE):
        return False
    made = int.from_bytes(raw[_RANDOM:_MADE], "big")
    if now - made > _LIFETIME or made <= state[1]:
        return False
    used = state[2]
    for entry in used:
        if entry[0] == raw:
            good = count > entry[2]
            if good:
                entry[2] = count
            return good
    if count < 1:
        return False
    if len(used) == _USED_MAX:
        oldest = min([entry[1] for entry in used])
        # What is forgotten must not be taken once more.
        state[1] = oldest
        state[2] = used = [entry for entry in used if entry[1] > oldest]
        if made <= oldest:
            return False
    used.append([raw, made, count])
    return True


def _mac(state, text):
    # Key and text have fixed lengths and the end of the hash is cut off: no HMAC is needed, whose
    # two blocks would have to be made each time.
    return sha1(state[0] + text).digest()[: _SIZE - _MADE]


def _hash(*parts):
    return hexlify(md5(b":".join(parts)).digest())


def parameters(value):
    """Return {name: value} (bytes, names in lower case) of a Digest Authorization; ValueError."""
    if value[:7].lower() != b"digest ":
        raise ValueError("not digest")
    found = {}
    at = 7
    while at < len(value):
        if value[at] in b" \t,":
            at += 1
            continue
        end = value.find(b"=", at)
        name = value[at : max(end, at)].strip().lower()
        at = end + 1
        while at < len(value) and value[at] in b" \t":
            at += 1
        if at < len(value) and value[at] == 34:
            text, at = _quoted(value, at + 1)
        else:
            end = value.find(b",", at)
            text = value[at : end if end >= 0 else len(value)].strip()
            at += len(text)
        if not name or name in found or b" " in name or b'"' in name or b"," in name:
            raise ValueError("bad parameter")
        found[name] = text
    return found


def _quoted(value, at):
    # -> text up to the quote that ends it, where it goes on.
    end = value.find(b'"', at)
    if end >= 0 and value.find(b"\\", at, end) < 0:
        return value[at:end], end + 1
    text = bytearray()
    while at < len(value) and value[at] != 34:
        if value[at] == 92:
            at += 1
        text.extend(value[at : at + 1])
        at += 1
    if at >= len(value):
        raise ValueError("no end")
    return bytes(text), at + 1
