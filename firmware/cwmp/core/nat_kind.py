"""What kind of NAT there is, as far as a STUN server with two addresses can show (RFC 3489, in the
words of RFC 4787).

A secondary port asks for answers from elsewhere, then asks elsewhere itself, and at last sends to
its own public address. A state machine without I/O, used like `Lifetime`; a slice, for one
examination.
"""

from micropython import const

from ..wire import stun
from .stun_transaction import Transaction

UNKNOWN = const(0)
ANY = const(1)  # endpoint-independent
HOST = const(2)  # address-dependent
PORT = const(3)  # address-and-port-dependent

# Whether a datagram from inside to the public address came back in: UNKNOWN as above.
SEEN = const(1)
NOT_SEEN = const(2)

# Steps: where the answer is to come from.
_LEARN = const(0)  # the server
_OTHER_HOST = const(1)
_OTHER_PORT = const(2)
_ELSEWHERE = const(3)  # where the request goes, too
_HAIRPIN = const(4)
_DONE = const(5)

_SENDS_MIN = const(5)  # of a question, for silence to be an answer
_FLAGS = (None, 6, 2, None, None)  # of CHANGE-REQUEST: other address and port, other port
_OTHER_ADDRESS = const(0x802C)  # of RFC 5780
_CHANGED_ADDRESS = const(0x0005)


class NatKind:
    """One examination. `mapping`, `filtering` and `hairpin` are known when `done`, or UNKNOWN for
    good; mapping is ANY, or HOST for everything else.
    """

    def __init__(self, random_bytes, server, now):
        self._random = random_bytes
        self._server = server
        self.mapping = self.filtering = self.hairpin = UNKNOWN
        self._mapped = self._other = None
        self._ask(_LEARN, now)

    def deadline(self):
        """When `tick` wants to be called, ms; None: never again."""
        return None if self.done else self._transaction.deadline

    @property
    def done(self):
        """True when nothing more is to be learned."""
        return self._step == _DONE

    def tick(self, now):
        """Return (datagram, destination) when one is to be sent from A at `now`, else None."""
        if self.done or now < self._transaction.deadline:
            return None
        if self._transaction.over(now):
            if self._transaction.sends < _SENDS_MIN:
                self._ask(self._step, now)  # a session came in between: once more
            else:
                self._unanswered(now)
            return None
        packet = self._transaction.due(now)
        to = self._server
        if self._step >= _ELSEWHERE:
            # To itself, so that a filter knows the remote: it is the one it spoke to.
            to = self._other if self._step == _ELSEWHERE else self._mapped
        return (packet, to) if packet else None

    def datagram(self, which, buf, size, now):
        """Take `buf[:size]` that came for socket `which`; True when it was the answer."""
        if self._step == _HAIRPIN and bytes(buf[:size]) == self._transaction.packet:
            self.hairpin = SEEN
            self._step = _DONE
            return True
        if self.done or not stun.answers(buf, size, self._transaction.tid):
            return False
        try:
            message = stun.parse(buf, size)
        except stun.StunError:
            return False
        if message.address is None:
            self._unanswered(now)
        elif self._step == _LEARN:
            self._mapped = message.address
            self._other = _other(buf, size)
            self._ask(_OTHER_HOST if self._other else _HAIRPIN, now)
        elif self._step == _ELSEWHERE:
            # That it answers at all shows that it could have answered before.
            self.mapping = ANY if message.address == self._mapped else HOST
            self.filtering = self.filtering or PORT
            self._ask(_HAIRPIN, now)
        elif self._step < _ELSEWHERE:
            self.filtering = ANY if self._step == _OTHER_HOST else HOST
            self._ask(_ELSEWHERE, now)
        return True

    def _unanswered(self, now):
        if self._step == _HAIRPIN:
            self.hairpin = NOT_SEEN
        if self._mapped is None or self._step == _HAIRPIN:
            self._step = _DONE
        else:
            self._ask(self._step + 1, now)

    def _ask(self, step, now):
        self._step = step
        tid = stun.transaction_id(self._random(16), True)
        flags = _FLAGS[step]
        packet = b"\x00\x01\x00\x00" + tid
        if flags:
            packet = b"\x00\x01\x00\x08" + tid + b"\x00\x03\x00\x04\x00\x00\x00" + bytes([flags])
        self._transaction = Transaction(tid, packet, now)


def _other(buf, size):
    # The other address of the server, in an answer that `stun.parse` took.
    at = stun.HEADER
    while at < size:
        kind = buf[at] << 8 | buf[at + 1]
        length = buf[at + 2] << 8 | buf[at + 3]
        if length == 8 and (kind == _CHANGED_ADDRESS or kind == _OTHER_ADDRESS):
            host = "{}.{}.{}.{}".format(*buf[at + 8 : at + 12])
            return host, buf[at + 6] << 8 | buf[at + 7]
        at += 4 + (length + 3 & ~3)
    return None
