"""The STUN part of the story: transactions, CPEs, bindings and how they change."""

from dataclasses import dataclass, field

from host_tools.capture import stun
from host_tools.capture.filters import Filters
from host_tools.capture.packets import Address
from host_tools.capture.read import Datagram
from host_tools.capture.story import Binding, Cpe, Step, Story, StunExchange, shown, worst
from host_tools.capture.udp_request import Check, Mark
from host_tools.lab.stun_codec import CONNECTION_REQUEST_BINDING_VALUE, AttributeType, MessageType

_ANSWER = 0x0100  # the bit that responses and error responses have in their type
_SAME_TRANSACTION_NS = 30_000_000_000  # far above the 9.5 s of STUN-40
_ANNOUNCE_NS = 10_000_000_000
_MAX_REQUEST = 200


@dataclass(slots=True)
class _Transaction:
    request: stun.Message | None
    identifier: bytes
    sends: list[Datagram] = field(default_factory=list)
    answers: list[tuple[Datagram, stun.Message]] = field(default_factory=list)
    reused: bool = False

    @property
    def frames(self) -> list[int]:
        seen = [*self.sends, *(datagram for datagram, _ in self.answers)]
        return sorted(number for datagram in seen for number in datagram.frames)

    @property
    def first_ns(self) -> int:
        first = self.sends[0] if self.sends else self.answers[0][0]
        return first.time_ns


def is_stun(datagram: Datagram) -> bool:
    return stun.looks_like(datagram.payload)


def tell(
    story: Story, datagrams: list[Datagram], filters: Filters, password: str | None
) -> set[int]:
    """Add STUN steps and bindings to the story; returns the frames that were STUN."""
    transactions, used = _transactions(datagrams)
    teller = _Teller(story, filters, password)
    for transaction in sorted(transactions, key=lambda entry: entry.first_ns):
        teller.transaction(transaction)
    teller.unannounced()
    return used


def _transactions(datagrams: list[Datagram]) -> tuple[list[_Transaction], set[int]]:
    found: list[_Transaction] = []
    by_identifier: dict[bytes, list[_Transaction]] = {}
    used: set[int] = set()
    for datagram in datagrams:
        identifier = datagram.payload[4:20]
        if not is_stun(datagram) and identifier not in by_identifier:
            continue
        message = stun.parse(datagram.payload)
        if message is None:
            continue
        used.update(datagram.frames)
        known = by_identifier.setdefault(identifier, [])
        latest = known[-1] if known else None
        recent = bool(latest and datagram.time_ns - latest.first_ns < _SAME_TRANSACTION_NS)
        if message.message_type & _ANSWER:
            if latest is None or not recent:
                latest = _Transaction(None, identifier)
                found.append(latest)
                known.append(latest)
            latest.answers.append((datagram, message))
            continue
        same = recent and latest and latest.request and latest.request.data == message.data
        if not same:
            reused = bool(latest and latest.request)
            latest = _Transaction(message, identifier, reused=reused)
            found.append(latest)
            known.append(latest)
        assert latest is not None
        latest.sends.append(datagram)
    return found, used


class _Teller:
    def __init__(self, story: Story, filters: Filters, password: str | None) -> None:
        self.story = story
        self.filters = filters
        self.password = password
        self.challenged: set[str] = set()  # CPEs that got a 401

    def transaction(self, transaction: _Transaction) -> None:
        if transaction.request is None:
            datagram, message = transaction.answers[0]
            said = f", mapped to {shown(message.mapped)}" if message.mapped else ""
            said = f", error {message.error[0]}" if message.error else said
            text = f"{message.name} {_way(datagram)}{said}; its request is not in the file"
            self._step(transaction, datagram.time_ns, text, [])
            return
        sources = list(dict.fromkeys(datagram.src for datagram in transaction.sends))
        inside, outside = self._sides(transaction, sources)
        request = transaction.request
        sends = transaction.sends
        server = next(datagram.dst for datagram in sends if datagram.src == inside)
        cpe = self._cpe(request, inside, outside, server)
        beyond = next((datagram.dst for datagram in sends if datagram.src == outside), server)
        if cpe and beyond != server:
            cpe.server_outside = beyond
        exchange = StunExchange(
            transaction.identifier.hex(),
            sends[0].time_ns,
            inside,
            outside,
            server,
            cpe.name if cpe else None,
            sum(datagram.src == sources[0] for datagram in transaction.sends),
            request.has(AttributeType.CONNECTION_REQUEST_BINDING),
            request.has(AttributeType.BINDING_CHANGE),
            request.username,
            self._integrity(request),
            "no answer",
            frames=transaction.frames,
        )
        self.story.stun.append(exchange)
        checks = self._request_checks(transaction, exchange, cpe)
        if cpe and exchange.binding_change:
            self._announced(cpe, exchange)
        self._answer(transaction, exchange, cpe, checks)

    def _sides(
        self, transaction: _Transaction, sources: list[Address]
    ) -> tuple[Address, Address | None]:
        """One request seen with two sources crossed a NAT; the mapped one is outside."""
        if len(sources) < 2:
            return sources[0], None
        mapped = {message.mapped for _, message in transaction.answers}
        outside = next((source for source in sources if source in mapped), sources[1])
        return next(source for source in sources if source != outside), outside

    def _cpe(
        self, request: stun.Message, inside: Address, outside: Address | None, server: Address
    ) -> Cpe | None:
        if not request.has(AttributeType.CONNECTION_REQUEST_BINDING):
            return None
        name = request.username or None
        known = self.story.cpes
        match = next((cpe for cpe in known if cpe.sources and inside in cpe.sources), None)
        if match and name and match.username not in (None, name):
            match = None
        if match is None and name:
            match = next((cpe for cpe in known if cpe.username == name), None)
        if match is None and not name and request.has(AttributeType.BINDING_CHANGE):
            # Seen from outside, a rebinding shows as a new port of the same public host.
            near = [cpe for cpe in known if inside[0] in cpe.hosts()]
            match = near[0] if len(near) == 1 else None
        if match is None:
            match = Cpe(name or shown(inside))
            known.append(match)
        match.username = match.username or name
        match.server = server
        for address in (inside, outside):
            if address and address not in match.sources:
                match.sources.append(address)
        if outside:
            match.local, match.both_sides = inside, True
        elif not match.both_sides:
            match.local = inside
        return match

    def _integrity(self, message: stun.Message) -> str:
        if not message.has(AttributeType.MESSAGE_INTEGRITY):
            return "absent"
        return stun.integrity(message, self.password) if self.password else "unchecked"

    def _request_checks(
        self, transaction: _Transaction, exchange: StunExchange, cpe: Cpe | None
    ) -> list[Check]:
        request = transaction.request
        assert request is not None
        checks = [Check("STUN-01", "wrong", problem) for problem in request.problems]
        if transaction.reused:
            checks.append(Check("STUN-03", "wrong", "transaction id used before"))
        binding = request.first(AttributeType.CONNECTION_REQUEST_BINDING)
        if binding and binding.value != CONNECTION_REQUEST_BINDING_VALUE:
            text = f"0xC001 value is {binding.value[:32]!r}, not the 20 bytes of Annex G"
            checks.append(Check("STUN-10", "wrong", text))
        change = request.first(AttributeType.BINDING_CHANGE)
        if change and (change.value or not binding):
            text = "BINDING-CHANGE must be empty and beside 0xC001"
            checks.append(Check("STUN-11", "wrong", text))
        username = request.first(AttributeType.USERNAME)
        if username and len(username.value) % 4:
            text = f"USERNAME has {len(username.value)} bytes, not a multiple of 4"
            checks.append(Check("STUN-14", "wrong", text))
        if len(request.data) > _MAX_REQUEST and binding:
            text = f"{len(request.data)} bytes: some servers read 200 at most"
            checks.append(Check("STUN-15", "note", text))
        flags = request.first(AttributeType.CHANGE_REQUEST)
        elsewhere = request.has(AttributeType.RESPONSE_ADDRESS) or (flags and any(flags.value))
        if binding and elsewhere:
            text = "RESPONSE-ADDRESS or CHANGE-REQUEST flags from the primary port"
            checks.append(Check("STUN-16", "wrong", text))
        if cpe and exchange.integrity != "absent" and cpe.name not in self.challenged:
            text = "MESSAGE-INTEGRITY although no 401 came before it in this file"
            checks.append(Check("STUN-30", "note", text))
        checks += _integrity_checks("request", exchange.integrity)
        return checks

    def _answer(
        self,
        transaction: _Transaction,
        exchange: StunExchange,
        cpe: Cpe | None,
        checks: list[Check],
    ) -> None:
        text = _request_text(exchange)
        last = transaction.sends[-1].time_ns
        if not transaction.answers:
            if self.story.last_ns - last < _ANNOUNCE_NS:
                checks.append(Check("STUN-40", "note", "no answer before the file ends"))
            else:
                checks.append(Check("STUN-40", "wrong", "no answer"))
            self._step(transaction, exchange.time_ns, f"{text}: no answer", checks)
            return
        datagram, message = _best_answer(transaction, exchange)
        exchange.answered_ns = datagram.time_ns
        exchange.answer_integrity = self._integrity(message)
        checks += [Check("STUN-07", "wrong", f"answer: {problem}") for problem in message.problems]
        usable = not message.problems and self._trusted(exchange, checks)
        if message.message_type == MessageType.BINDING_ERROR_RESPONSE:
            self._error(message, exchange, cpe, checks)
            reason = f" {message.error[1]}" if message.error and message.error[1] else ""
            text = f"{text}: error {exchange.error or 'without code'}{reason}"
        elif message.mapped and usable:
            exchange.outcome, exchange.mapped = "mapped", message.mapped
            if not message.has(AttributeType.MAPPED_ADDRESS):
                note = "no MAPPED-ADDRESS; taken from XOR-MAPPED-ADDRESS"
                checks.append(Check("STUN-21", "note", note))
            text = f"{text}: mapped to {shown(message.mapped)}"
        else:
            exchange.outcome = "unusable answer"
            text = f"{text}: unusable answer"
        self._step(transaction, exchange.time_ns, text, checks, _fold(exchange, text))
        if cpe and exchange.mapped:
            self._bind(cpe, exchange, transaction)

    def _trusted(self, exchange: StunExchange, checks: list[Check]) -> bool:
        """STUN-34: with integrity in the request, an answer counts only with its own."""
        if exchange.integrity == "absent":
            return True
        if exchange.answer_integrity == "absent":
            text = "the answer has no MESSAGE-INTEGRITY: a CPE drops it"
            checks.append(Check("STUN-34", "wrong", text))
            return False
        checks += _integrity_checks("answer", exchange.answer_integrity)
        return exchange.answer_integrity not in ("wrong", "not computed by the server")

    def _error(
        self,
        message: stun.Message,
        exchange: StunExchange,
        cpe: Cpe | None,
        checks: list[Check],
    ) -> None:
        exchange.outcome = "error"
        exchange.error = message.error[0] if message.error else None
        if exchange.error is None:
            checks.append(Check("STUN-35", "note", "no ERROR-CODE: counts as 420"))
        if exchange.error == 401 and cpe:
            self.challenged.add(cpe.name)
            again = exchange.integrity != "absent"
            text = "401 again, with credentials" if again else "the server asks for credentials"
            checks.append(Check("STUN-33" if again else "STUN-30", "note", text))

    def _bind(self, cpe: Cpe, exchange: StunExchange, transaction: _Transaction) -> None:
        assert exchange.mapped is not None and exchange.answered_ns is not None
        previous = cpe.mapped[-1][1] if cpe.mapped else None
        if previous == exchange.mapped:
            return
        cpe.mapped.append((exchange.answered_ns, exchange.mapped))
        natted = exchange.client != exchange.mapped
        binding = Binding(
            cpe.name,
            exchange.answered_ns,
            exchange.client,
            exchange.mapped,
            previous,
            natted,
        )
        self.story.bindings.append(binding)
        if exchange.binding_change:
            binding.announced_ns = exchange.time_ns
        if previous:
            text = f"rebinding of {cpe.name}: {shown(previous)} became {shown(exchange.mapped)}"
        else:
            text = f"binding of {cpe.name}: {shown(exchange.client)} is {shown(exchange.mapped)}"
        said = "behind a NAT" if natted else "no NAT, or captured outside of it"
        self.story.steps.append(
            Step(
                exchange.answered_ns,
                "binding",
                "note" if previous else "ok",
                f"{text} ({said})",
                frames=transaction.frames,
                filter=self.filters.transaction(transaction.identifier, transaction.frames),
            )
        )

    def _announced(self, cpe: Cpe, exchange: StunExchange) -> None:
        for binding in self.story.bindings:
            if binding.cpe == cpe.name and binding.announced_ns is None:
                binding.announced_ns = exchange.time_ns

    def unannounced(self) -> None:
        """STUN-12: a change without BINDING-CHANGE after it."""
        for binding in self.story.bindings:
            late = self.story.last_ns - binding.time_ns > _ANNOUNCE_NS
            if binding.announced_ns is None and binding.previous and late:
                text = f"{binding.cpe} did not announce {shown(binding.mapped)}"
                check = Check("STUN-12", "wrong", "no request with BINDING-CHANGE followed")
                self.story.steps.append(
                    Step(binding.time_ns + _ANNOUNCE_NS, "binding", "wrong", text, [check])
                )

    def _step(
        self,
        transaction: _Transaction,
        time_ns: int,
        text: str,
        checks: list[Check],
        fold: str | None = None,
    ) -> None:
        frames = transaction.frames
        where = self.filters.transaction(transaction.identifier, frames)
        mark = worst(checks)
        fold = fold if mark == "ok" else None
        self.story.steps.append(Step(time_ns, "stun", mark, text, checks, frames, where, fold))


def _best_answer(
    transaction: _Transaction, exchange: StunExchange
) -> tuple[Datagram, stun.Message]:
    """The first answer that a CPE could use, else the first one."""
    for datagram, message in transaction.answers:
        sealed = exchange.integrity == "absent" or message.has(AttributeType.MESSAGE_INTEGRITY)
        if not message.problems and sealed:
            return datagram, message
    return transaction.answers[0]


def _integrity_checks(what: str, found: str) -> list[Check]:
    if found in ("absent", "unchecked"):
        text = f"integrity of the {what} not checked: give --stun-password"
        return [] if found == "absent" else [Check("STUN-32", "unchecked", text)]
    if found == "not computed by the server":
        text = f"the {what} carries the text hmac-not-implemented instead of an HMAC"
        return [Check("STUN-34", "wrong", text)]
    if found == "wrong":
        return [Check("STUN-32", "wrong", f"integrity of the {what} is wrong by every rule")]
    requirement = "STUN-33" if found.startswith("unpadded") else "STUN-32"
    mark: Mark = "lenient" if found == "unpadded, length 0" else "ok"
    return [Check(requirement, mark, f"integrity of the {what} is right ({found})")]


def _request_text(exchange: StunExchange) -> str:
    parts = []
    if exchange.primary:
        parts.append("0xC001")
    if exchange.binding_change:
        parts.append("BINDING-CHANGE")
    if exchange.username is not None:
        parts.append(f"USERNAME {exchange.username}")
    if exchange.integrity != "absent":
        parts.append("MESSAGE-INTEGRITY")
    client = shown(exchange.client)
    if exchange.outside:
        client += f" (outside {shown(exchange.outside)})"
    what = f" [{', '.join(parts)}]" if parts else " (not from a primary port)"
    sends = f", sent {exchange.sends} times" if exchange.sends > 1 else ""
    return f"Binding Request {client} to {shown(exchange.server)}{what}{sends}"


def _fold(exchange: StunExchange, text: str) -> str | None:
    return None if exchange.binding_change or exchange.sends > 1 else text


def _way(datagram: Datagram) -> str:
    return f"{shown(datagram.src)} to {shown(datagram.dst)}"
