"""What LCP (RFC 1661) and IPCP (RFC 1332, 1877) negotiate when the other side is a board."""

import ipaddress
from collections.abc import Callable

from host_tools.lab.ppp_hdlc import ALL_CONTROLS
from host_tools.lab.ppp_negotiation import Code, Negotiation, Option, State, pack

MRU = 1500  # both ways: what the RFC has every implementation take
_MRU, _ACCM, _MAGIC = 1, 2, 5
_ADDRESS, _DNS, _SECOND_DNS = 3, 129, 131


class Lcp(Negotiation):
    """The link. Of the other side's options MRU, ACCM and magic number are liked; compression of
    header fields (7, 8) and authentication are not.
    """

    codes = frozenset(range(1, 12))

    def __init__(self, send: Callable[[bytes], None], magic: Callable[[], int]) -> None:
        super().__init__(send)
        self.accm = ALL_CONTROLS  # what the other side wants escaped
        self.mru = MRU  # the longest packet it takes
        self.on_protocol_reject: Callable[[int], None] = lambda protocol: None
        self._new_magic = magic
        self._magic = 0

    def wanted(self) -> list[Option]:
        self.accm, self.mru = ALL_CONTROLS, MRU
        self._magic = self._new_magic() & 0xFFFFFFFF or 1
        return [(_ACCM, bytes(4)), (_MAGIC, self._magic.to_bytes(4, "big"))]

    def judge(self, option: Option) -> Option | None:
        kind, value = option
        if kind == _MRU and len(value) == 2:
            # Nobody may refuse packets of 576 bytes, the least that IPv4 asks for.
            return option if int.from_bytes(value, "big") >= 576 else (kind, b"\x02\x40")
        if kind == _ACCM and len(value) == 4:
            return option
        if kind == _MAGIC and len(value) == 4:
            number = int.from_bytes(value, "big")
            if number and number != self._magic:
                return option
            return kind, (self._new_magic() & 0xFFFFFFFF or 1).to_bytes(4, "big")  # a looped line
        return None

    def agreed(self, theirs: list[Option]) -> None:
        values = {kind: int.from_bytes(value, "big") for kind, value in theirs}
        self.accm = values.get(_ACCM, ALL_CONTROLS)
        self.mru = min(values.get(_MRU, MRU), MRU)

    def corrected(self, hint: Option) -> Option | None:
        if hint[0] == _MAGIC:
            self._magic = self._new_magic() & 0xFFFFFFFF or 1
            return _MAGIC, self._magic.to_bytes(4, "big")
        return hint if len(hint[1]) == 4 else None

    def other(self, code: int, identifier: int, data: bytes, now: float) -> None:
        if self.state is not State.OPENED:
            return
        if code == Code.ECHO_REQUEST and len(data) >= 4:
            self.send(pack(Code.ECHO_REPLY, identifier, self._magic.to_bytes(4, "big") + data[4:]))
        elif code == Code.PROTOCOL_REJECT and len(data) >= 2:
            self.on_protocol_reject(int.from_bytes(data[:2], "big"))

    def reject_protocol(self, protocol: int, information: bytes) -> None:
        """Tell the other side that `protocol` is not spoken here."""
        if self.state is State.OPENED:
            data = protocol.to_bytes(2, "big") + information
            self.send(pack(Code.PROTOCOL_REJECT, self._next(), data[: self.mru - 4]))


class Ipcp(Negotiation):
    """IPv4 over the link: the board gets `theirs`, this side is `ours`; header compression is
    rejected, name servers too unless `dns` is one.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        ours: str,
        theirs: str,
        dns: str | None = None,
    ) -> None:
        super().__init__(send)
        self._ours = ipaddress.IPv4Address(ours).packed
        self._assigned = {_ADDRESS: ipaddress.IPv4Address(theirs).packed}
        if dns is not None:
            self._assigned[_DNS] = self._assigned[_SECOND_DNS] = ipaddress.IPv4Address(dns).packed

    def wanted(self) -> list[Option]:
        return [(_ADDRESS, self._ours)]

    def judge(self, option: Option) -> Option | None:
        kind, value = option
        if kind not in self._assigned or len(value) != 4:
            return None
        return kind, self._assigned[kind]

    def corrected(self, hint: Option) -> Option | None:
        return _ADDRESS, self._ours  # it is not for the board to say who we are
