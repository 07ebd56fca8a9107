"""The gate for UDP Connection Requests: from a received datagram to a verdict, cheap checks before dear ones."""

from array import array

from micropython import const

from ..wire import udp_request as wire
from ..wire.hmac_sha1 import HmacSha1, equal, equal_hex
from ..wire.udp_request import read
from .freshness import Freshness, is_older, look, remember

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
_SIG = const(8)  # of the offsets: where the signature starts
_BEHIND = const(3)  # from what `look` answers to STALE and DUPLICATE


class ConnectionRequestGate:
    """Validates datagrams (UCR-01 to UCR-25) and counts them by verdict in `counts`.

    `ring(now)` is called for each authenticated, fresh request and answers whether the rate limit lets it pass
    (UCR-33); only then is it remembered (UCR-21). `longest`: bytes of a datagram that is looked at.
    """

    def __init__(self, ring, lenient=True, longest=MAX_DATAGRAM):
        self._ring = ring
        self._offsets = array("H", bytearray(2 * wire.OFFSETS))
        self._offsets[wire.LONGEST] = longest
        self._offsets[wire.LENIENT] = 1 if lenient else 0
        self._text = bytearray(wire.TEXT_SIZE)
        self._view = None
        self._view_length = 0
        self._username = b""
        self._digest = None
        self._last = None  # the datagram accepted last
        self.freshness = Freshness()
        self._state = self.freshness.state
        self.enabled = True
        self.effect = 0  # what `ring` answered last
        self.counts = [0] * len(NAMES)
        self.detail = 0  # for MALFORMED: what `wire.udp_request.read` found, see its REASONS

    def set_credentials(self, username, password):
        """Take ConnectionRequestUsername and Password (str); either one empty authenticates nothing (UCR-15)."""
        good = username and password
        self._username = username.encode() if good else b""
        self._offsets[wire.USERNAME] = len(self._username)
        self._digest = HmacSha1(password.encode()).digest if good else None

    @property
    def has_credentials(self):
        return self._digest is not None

    def forget(self):
        """Forget what was accepted: the ACS or its credentials are other ones now (UCR-24)."""
        self.freshness.clear()
        self._last = None

    def handle(self, data, size, now):
        """Return the verdict for the datagram `data[:size]` (bytes or bytearray, which it may keep)."""
        # Copies come right behind the first one (UCR-22), floods repeat one ts: both go before anything is parsed.
        if data == self._last:
            verdict = DUPLICATE
        elif is_older(data, size, self._state):
            verdict = STALE
        else:
            offsets = self._offsets
            length = read(data, size, offsets, self._username, self._text)
            if length < 0 or self._digest is None or not self.enabled:
                verdict = self._refused(length)
            else:
                verdict = look(data, offsets, self._state)
                if verdict:
                    verdict += _BEHIND
                elif not length:
                    verdict = self._judge_escapes(data, now)
                else:
                    if (
                        length != self._view_length
                    ):  # the texts of one ACS have one length: its view is made once
                        self._set_view(length)
                    if equal_hex(self._digest(self._view), data, offsets[_SIG]):
                        verdict = self._accept(data, now)
                    else:
                        verdict = BAD_SIGNATURE
        self.counts[verdict] += 1
        return verdict

    def _refused(self, length):
        # The shape is wrong, or nothing could be right.
        if length < 0 and length != -wire.WRONG_USERNAME:
            self.detail = -length
            return MALFORMED
        if self._digest is None:
            return NO_CREDENTIALS
        return WRONG_USERNAME if length < 0 else DISABLED

    def _accept(self, data, now):
        self.effect = self._ring(now)
        if not self.effect:
            return LIMITED
        remember(data, self._offsets, self._state)
        self.freshness.dirty = True
        self._last = data
        return ACCEPTED

    def _set_view(self, length):
        self._view = memoryview(self._text)[:length]
        self._view_length = length

    # A request whose un or cn has escapes: it may be meant decoded or as it stands (UCR-13).

    def _judge_escapes(self, data, now):
        # Decoded un over decoded text; with the lenient profile also either un over the text as it was sent.
        offsets = self._offsets
        start, end = offsets[wire.UN], offsets[wire.UN + 1]
        lenient = offsets[wire.LENIENT]
        decoded = False
        if not offsets[wire.ENCODED] & wire.NOT_ESCAPES:
            decoded = self._is_username(
                self._text, 0, wire.copy(data, start, end, self._text, 0, 1)
            )
        if not decoded and not (lenient and self._is_username(data, start, end)):
            return WRONG_USERNAME
        if (decoded and self._matches(data, 1)) or (lenient and self._matches(data, 0)):
            return self._accept(data, now)
        return BAD_SIGNATURE

    def _is_username(self, buf, start, end):
        username = self._username
        return end - start == len(username) and equal(buf, start, username, 0, end - start)

    def _matches(self, data, decode):
        offsets = self._offsets
        length = 0
        for field in (wire.TS, wire.ID, wire.UN, wire.CN):
            length = wire.copy(
                data, offsets[field], offsets[field + 1], self._text, length, decode
            )
        self._set_view(length)
        return equal_hex(self._digest(self._view), data, offsets[wire.SIG])
