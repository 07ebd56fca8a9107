"""The gate for UDP Connection Requests: from a received datagram to a verdict, cheap checks before
dear ones.
"""

from array import array

from micropython import const

from ..wire import udp_request as wire
from ..wire.hmac_sha1 import HmacSha1, equal, equal_hex
from ..wire.udp_request import read
from .freshness import Freshness, look, remember

ACCEPTED = const(0)
MALFORMED = const(1)
NO_CREDENTIALS = const(2)
WRONG_USERNAME = const(3)
STALE = const(4)
DUPLICATE = const(5)
BAD_SIGNATURE = const(6)
LIMITED = const(7)
DISABLED = const(8)

VERDICTS = const(9)  # how many there are
_NAMES = """accepted malformed no-credentials wrong-username stale duplicate bad-signature
limited disabled"""

MAX_DATAGRAM = const(1472)
_SIG = const(8)  # of the offsets: where the signature starts
_BEHIND = const(3)  # from what `look` answers to STALE and DUPLICATE


def name(verdict):
    """Return the name of a verdict."""
    return _NAMES.split()[verdict]


class ConnectionRequestGate:
    """Validates datagrams (UCR-01 to UCR-25) and counts them by verdict in `counts`.

    `ring(now)` is called for each authenticated, fresh request and answers whether the rate limit
    lets it pass (UCR-33); only then is it remembered (UCR-21). `longest`: bytes of a datagram that
    is looked at.
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
        self._hmac = None
        self._closed = (
            NO_CREDENTIALS  # verdict for all that is well-formed, 0 when requests are taken
        )
        self.enabled = True
        self.has_credentials = False
        # By what `read` found wrong; one whose un is wrong, or whose ts is old, is well-formed as
        # far as it was read.
        self._verdicts = [MALFORMED] * (wire.OLD_TS + 1)
        self._last = None  # the datagram accepted last
        self.freshness = Freshness()
        self._state = self.freshness.state
        self._parts = self._offsets, b"", self._text, self._state
        self.effect = 0  # what `ring` answered last
        self.counts = [0] * VERDICTS
        self.detail = (
            0  # for MALFORMED: what `wire.udp_request.read` found, see udp_request_error.py
        )

    def set_credentials(self, username, password):
        """Take ConnectionRequestUsername and Password (str); either one empty authenticates
        nothing (UCR-15).
        """
        good = username and password
        self._username = username.encode() if good else b""
        self._offsets[wire.USERNAME] = len(self._username)
        self._parts = self._offsets, self._username, self._text, self._state
        self._hmac = HmacSha1(password.encode()) if good else None
        self.enable(self.enabled)

    def enable(self, value):
        """Take EnableCWMP: while False nothing is accepted (TCR-25)."""
        self.enabled = value
        self.has_credentials = self._hmac is not None
        if not self.has_credentials:
            self._closed = NO_CREDENTIALS
        else:
            self._closed = 0 if value else DISABLED
        self._verdicts[wire.WRONG_USERNAME] = self._closed or WRONG_USERNAME
        self._verdicts[wire.OLD_TS] = self._closed or STALE

    def forget(self):
        """Forget what was accepted: the ACS or its credentials are other ones now (UCR-24)."""
        self.freshness.clear()
        self._last = None

    def handle(self, data, size, now):
        """Return the verdict for the datagram `data[:size]` (bytes or bytearray, which it may
        keep).
        """
        # This method and `_judge` have so few locals that their frames fit on the stack: a larger
        # one is allocated.
        if data == self._last:  # its copies come right behind it (UCR-22)
            verdict = DUPLICATE
        else:
            verdict = read(data, size, self._parts)
            if verdict < 0:
                self.detail = -verdict
                verdict = self._verdicts[-verdict]
            else:
                verdict = self._closed or self._judge(data, verdict, now)
        self.counts[verdict] += 1
        return verdict

    def _judge(self, data, length, now):
        known = look(data, self._offsets, self._state)
        if known:
            return known + _BEHIND
        if not length:
            return self._judge_pieces(data, now)
        if (
            length != self._view_length
        ):  # the texts of one ACS have one length: its view is made once
            self._view = memoryview(self._text)[:length]
            self._view_length = length
        if equal_hex(self._hmac.digest(self._view), data, self._offsets[_SIG]):
            return self._accept(data, now)
        return BAD_SIGNATURE

    def _accept(self, data, now):
        self.effect = self._ring(now)
        if not self.effect:
            return LIMITED
        remember(data, self._offsets, self._state)
        self.freshness.dirty = True
        self._last = data
        return ACCEPTED

    # A request whose un or cn has escapes: it may be meant decoded or as it stands (UCR-13). Or a
    # long one, whose text is hashed piece by piece.

    def _judge_pieces(self, data, now):
        # Decoded un over decoded text; with the lenient profile also either un over the text as it
        # was sent.
        offsets = self._offsets
        start, end = offsets[wire.UN], offsets[wire.UN + 1]
        lenient = offsets[wire.LENIENT] and offsets[wire.ENCODED]  # without escapes both are one
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
        hashed = self._hmac.begin()
        for field in (wire.TS, wire.ID, wire.UN, wire.CN):
            start, end = offsets[field], offsets[field + 1]
            piece = data
            if decode:
                piece = self._text
                start, end = 0, wire.copy(data, start, end, piece, 0, 1)
            hashed.update(memoryview(piece)[start:end])
        return equal_hex(self._hmac.end(hashed), data, offsets[wire.SIG])
