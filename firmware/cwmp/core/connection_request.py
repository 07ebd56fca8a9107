"""The gate for UDP Connection Requests: from a received datagram to a verdict, cheap checks before dear ones."""

from array import array

from micropython import const

from ..wire import udp_request as wire
from ..wire.hmac_sha1 import HmacSha1, equal, equal_hex
from .freshness import DUPLICATE as _DUPLICATE
from .freshness import FRESH, Freshness

ACCEPTED = const(0)
MALFORMED = const(1)
NO_CREDENTIALS = const(2)
WRONG_USERNAME = const(3)
STALE = const(4)
DUPLICATE = const(5)
BAD_SIGNATURE = const(6)
LIMITED = const(7)
DISABLED = const(8)

NAMES = (
    "accepted",
    "malformed",
    "no-credentials",
    "wrong-username",
    "stale",
    "duplicate",
    "bad-signature",
    "limited",
    "disabled",
)

MAX_DATAGRAM = const(1472)



class ConnectionRequestGate:
    """Validates datagrams (UCR-01 to UCR-25) and counts them by verdict in `counts`.

    `ring(now)` is called for each authenticated, fresh request and answers whether the rate limit lets it pass
    (UCR-33); only then is it remembered (UCR-21).
    """

    def __init__(self, ring, lenient=True, longest=MAX_DATAGRAM):
        self._ring = ring
        self._longest = longest
        self.effect = 0  # what `ring` answered last
        self._lenient = 1 if lenient else 0
        self._offsets = array("H", bytearray(2 * wire.OFFSETS))
        self._text = bytearray(wire.TEXT_SIZE)
        self._view = memoryview(self._text)[:0]
        self._view_length = 0
        self._username = b""
        self._hmac = None
        self.freshness = Freshness()
        self.enabled = True
        self.counts = [0] * len(NAMES)
        self.detail = 0  # for MALFORMED: what `wire.udp_request.scan` found, see its REASONS

    def set_credentials(self, username, password):
        """Take ConnectionRequestUsername and Password (str); either one empty authenticates nothing (UCR-15)."""
        self._username = username.encode()
        self._hmac = HmacSha1(password.encode()) if username and password else None

    @property
    def has_credentials(self):
        return self._hmac is not None

    def handle(self, buf, size, now):
        """Return the verdict for the datagram `buf[:size]` (bytearray); nothing else of `buf` is looked at."""
        verdict = self._judge(buf, size, now)
        self.counts[verdict] += 1
        return verdict

    def _judge(self, buf, size, now):
        if size > self._longest:
            self.detail = wire.BAD_URI
            return MALFORMED
        offsets = self._offsets
        self.detail = wire.scan(buf, size, offsets, self._lenient)
        if self.detail:
            return MALFORMED
        if self._hmac is None:
            return NO_CREDENTIALS
        if not self.enabled:
            return DISABLED
        ts, ts_end, number, number_end = offsets[0], offsets[1], offsets[2], offsets[3]
        encoded = offsets[wire.ENCODED]
        readings = self._readings(buf, encoded)
        if not readings:
            return WRONG_USERNAME
        fresh = self.freshness.check(buf, ts, ts_end, number, number_end)
        if fresh != FRESH:
            return DUPLICATE if fresh == _DUPLICATE else STALE
        if not self._signed(buf, readings, encoded):
            return BAD_SIGNATURE
        self.effect = self._ring(now)
        if not self.effect:
            return LIMITED
        self.freshness.accept(buf, ts, ts_end, number, number_end)
        return ACCEPTED

    def _readings(self, buf, encoded):
        # Bit 0: un as it stands is the username, bit 1: un once decoded is.
        start, end = self._offsets[wire.UN], self._offsets[wire.UN + 1]
        if not encoded:
            return 3 if self._is_username(buf, start, end) else 0
        readings = 0
        if self._lenient and self._is_username(buf, start, end):
            readings = 1
        if not encoded & wire.NOT_ESCAPES:
            end = wire.copy(buf, start, end, self._text, 0, 1)
            if self._is_username(self._text, 0, end):
                readings |= 2
        return readings

    def _is_username(self, buf, start, end):
        username = self._username
        return end - start == len(username) and equal(buf, start, username, 0, end - start)

    def _signed(self, buf, readings, encoded):
        # Decoded un over decoded text; with the lenient profile also either un over the text as it was sent. Without
        # escapes all of them are one, and one HMAC is all that a stranger can cause.
        if not encoded:
            return self._matches(buf, 0)
        if readings & 2 and self._matches(buf, 1):
            return True
        return bool(self._lenient) and self._matches(buf, 0)

    def _matches(self, buf, decode):
        offsets = self._offsets
        text = self._text
        length = wire.copy(buf, offsets[wire.TS], offsets[wire.TS + 1], text, 0, 0)
        length = wire.copy(buf, offsets[wire.ID], offsets[wire.ID + 1], text, length, 0)
        length = wire.copy(buf, offsets[wire.UN], offsets[wire.UN + 1], text, length, decode)
        length = wire.copy(buf, offsets[wire.CN], offsets[wire.CN + 1], text, length, decode)
        if length != self._view_length:  # texts of one ACS have one length: its view is made once
            self._view = memoryview(text)[:length]
            self._view_length = length
        return equal_hex(self._hmac.digest(self._view), buf, offsets[wire.SIG])
