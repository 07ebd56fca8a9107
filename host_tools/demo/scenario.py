"""The demo's scenario: a device out of its box is woken through a NAT, and what must not wake it.

Each step causes something and measures what came of it: at the ACS, the STUN server, the NAT, on
the serial console and in the capture. A step that fails ends the story; what comes after it would
rest on it.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from host_tools.capture import explain
from host_tools.capture.packets import Address
from host_tools.capture.story import shown
from host_tools.demo.lab import KEEPALIVE, Lab, lab
from host_tools.demo.place import Place
from host_tools.demo.story import Story, Teller
from host_tools.errors import Failed, UserError
from host_tools.lab import ring as ring_module
from host_tools.lab import rpc
from host_tools.lab.cpe import Cpe, Credentials, Inform, Session, SessionLost
from host_tools.lab.ring import CONNECTION_REQUEST, Ring
from host_tools.lab.soap import CwmpFaultError
from host_tools.lab.stun_exchange import Request

COPIES = 3
SETTLE = 0.3  # seconds in which a session that is still to come would have begun
OBSERVE = 1.0  # the same for one that must not come
VALUE_CHANGE = "4 VALUE CHANGE"


class StoryEnds(Exception):
    """A step failed."""


class Scenario:
    """Plays the story in a lab. `patience`: seconds that any awaited thing may take. All seconds
    are those of the unix board; the lab knows how much slower its own is.
    """

    def __init__(self, stage: Lab, story: Story, patience: float) -> None:
        self.lab = stage
        self.story = story
        self.patience = stage.patient(patience)
        self.settle = stage.patient(SETTLE)
        self.observe = stage.patient(OBSERVE)
        self._cpe: Cpe | None = None
        self._accepted: Ring | None = None  # the request that woke it first
        self._ringing: Ring | None = None  # the one sent last
        self._told: Address | None = None  # the outside address of the last keepalive told

    @property
    def cpe(self) -> Cpe:
        assert self._cpe is not None
        return self._cpe

    async def play(self) -> None:
        """Play all of it; settles the claims and notes the facts."""
        self.lab.acs.listeners.append(self._heard)
        self.lab.stun.on_request = self._asked
        with contextlib.suppress(StoryEnds):
            await self._first_contact()
            await self._wake_up()
            await self._hostile()
            await self._rebinding()
        self._look_back()

    @contextlib.contextmanager
    def _proving(self, *names: str) -> Iterator[None]:
        """What goes wrong in here is why the first claim is not true, and the end of the story."""
        try:
            yield
        except (TimeoutError, OSError, UserError, CwmpFaultError, SessionLost) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            self.story.settle(names[0], False, reason)
            raise StoryEnds from error
        if any(self.story.claims[name].ok is False for name in names):
            raise StoryEnds

    # Chapters

    async def _first_contact(self) -> None:
        story, stage, acs = self.story, self.lab, self.lab.acs
        with self._proving("first_contact"):
            content = await stage.build()
            story.teller.chapter(
                "First contact",
                "A device fresh from the factory knows one thing: the URL of its ACS.",
            )
            story.start_ns = time.monotonic_ns()
            banner = (await stage.flash(content)).banner
            self._cpe = await acs.wait_cpe(self.patience)
            story.facts["device"] = self.cpe.key
            story.facts["micropython"] = banner.get("micropython", "")
            first = self.cpe.informs[0]
            wanted = {"0 BOOTSTRAP", "1 BOOT"} <= set(first.codes)
            story.settle("first_contact", wanted, ", ".join(first.codes))
        with self._proving("provisioned"):
            session = await self.cpe.wait_session_end(1, self.patience)
            known = self.cpe.connection_request
            calls = ", ".join(_asked_by_acs(session))
            story.settle("provisioned", bool(session.ok and known), calls or session.reason)
        with self._proving("binding"):
            mapped = await self._bound(None)
            text = f"{shown(mapped)} outside is {shown(stage.cpe_address)} inside"
            story.settle("binding", mapped == stage.mapped, text)
        with self._proving("reported"):
            inform = await self._report()
            await self.cpe.wait_session_end(inform.session, self.patience)

    async def _bound(self, before: Address | None, keepalive: int = 0) -> Address:
        """Wait until a binding other than `before` was announced; where the STUN server saw it."""
        found = await self.lab.stun.wait_binding(
            self.patience + keepalive,
            lambda binding: binding.mapped != before and binding.change_seen is not None,
        )
        return found.mapped

    def _mapped(self) -> Address:
        """The CPE's address outside, as the NAT itself has it."""
        mapped = self.lab.mapped
        if mapped is None:
            raise Failed("the NAT holds no mapping for the CPE")
        return mapped

    async def _report(self, since: int = 0) -> Inform:
        """Wait for the Inform that tells the ACS the address the NAT has given."""
        name = self.cpe.management("UDPConnectionRequestAddress")
        address = shown(self._mapped())
        seen = since
        async with asyncio.timeout(self.patience):
            while True:
                inform = await self.cpe.wait_inform(VALUE_CHANGE, seen, self.patience)
                if inform.parameters.get(name) == address:
                    break
                seen = self.cpe.informs.index(inform) + 1
        facts = self.story.facts
        if "udp_connection_request_address" in facts:
            facts["second_address"] = inform.parameters[name]
            return inform
        facts["udp_connection_request_address"] = inform.parameters[name]
        natted = self.cpe.parameters.get(self.cpe.management("NATDetected"), "")
        facts["nat_detected"] = natted in ("1", "true")
        found = f"{inform.parameters[name]}, NATDetected {natted or 'unknown'}"
        self.story.settle("reported", facts["nat_detected"], found)
        return inform

    async def _wake_up(self) -> None:
        story, stage = self.story, self.lab
        await self._quiet()
        story.teller.chapter(
            "The ring", "One signed datagram, sent three times because UDP may lose it."
        )
        with self._proving("filtered"):
            await self._ring_from_elsewhere()
        names = "woken", "once", "served"
        with self._proving(*names):
            answer = self.cpe.queue(rpc.get_values(f"{self.cpe.root}DeviceInfo."))
            before = len(self.cpe.sessions)
            ring = self._accepted = await self._ring()
            story.facts["copies_sent"] = ring.copies
            inform = await ring.woken(self.patience)
            session = await ring.session(self.patience)
            story.facts["inform_events"] = inform.codes
            story.facts["wake_ms"] = _wake_ms(ring, inform)
            story.settle(
                "woken",
                CONNECTION_REQUEST in inform.codes and bool(session.ok),
                f"{story.facts['wake_ms']:.1f} ms from request to the first byte of the Inform",
            )
            values: rpc.ParameterValues = await asyncio.wait_for(answer, self.patience)
            serial = values.get(f"{self.cpe.root}DeviceInfo.SerialNumber")
            same = serial == self.cpe.device.serial_number
            story.settle(
                "served", same and len(values) > 1, f"{len(values)} values, SerialNumber {serial}"
            )
            text = f"has read {len(values)} parameters; SerialNumber is {serial}"
            story.tell("ACS", "", text)
            await self._quiet()
            begun = len(self.cpe.sessions) - before
            story.facts["sessions_started"] = begun
            arrived = stage.nat.counters["inbound"]
            story.settle(
                "once", begun == 1 and arrived >= COPIES, f"{COPIES} copies, {begun} session"
            )

    async def _ring_from_elsewhere(self) -> None:
        """A genuine request from a port that the NAT has never seen traffic to (X13)."""
        stage = self.lab
        filtered = stage.nat.counters["filtered"]
        with stage.place.outside():
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with stranger:
            stranger.bind((stage.place.host, 0))
            ring = await ring_module.send(self.cpe, stranger.sendto, copies=1)
            self.story.tell(
                "ACS",
                "NAT",
                f"UDP Connection Request from port {stranger.getsockname()[1]}",
                "rightly signed, but from a port the NAT does not know",
                kind="lost",
                at_ns=ring.sent_at,
            )
        async with asyncio.timeout(self.patience):
            while not (dropped := stage.nat.counters["filtered"] - filtered):
                await asyncio.sleep(0.02)
        self.story.tell("NAT", "", "drops it: the CPE has never sent there", kind="lost")
        self.story.settle("filtered", dropped == 1, f"{dropped} dropped by the NAT")

    async def _ring(self) -> Ring:
        """Ring as an ACS does, from the STUN server's socket."""
        ring = self._ringing = await self.lab.acs.ring(self.cpe, copies=COPIES)
        self.story.tell(
            "ACS",
            "CPE",
            f"UDP Connection Request to {shown(ring.to)}",
            f"{ring.copies} copies from the STUN server's own port",
            kind="ring",
            at_ns=ring.sent_at,
        )
        return ring

    async def _hostile(self) -> None:
        story, stage, ring = self.story, self.lab, self._accepted
        assert ring is not None and self.cpe.connection_request is not None
        story.teller.chapter(
            "What must not wake it",
            "A forger who sends in the STUN server's name gets past the NAT, no further.",
        )
        reasons = {"forged": "bad-signature", "replayed": "duplicate", "stale": "stale"}
        with self._proving(*reasons, "undisturbed"):
            before = stage.counts(await stage.console("status"))
            sessions = len(self.cpe.sessions)
            liar = Credentials(self.cpe.connection_request.username, "guess")
            await stage.acs.ring(self.cpe, copies=1, credentials=liar)
            text = "forged: fresh and well formed, the password guessed"
            story.tell("forger", "CPE", text, kind="hostile")
            stage.stun.send(ring.datagram, ring.to)
            text = f"replayed: the accepted one, all {len(ring.datagram)} bytes of it"
            story.tell("forger", "CPE", text, kind="hostile")
            await stage.acs.ring(self.cpe, copies=1, ts=int(ring.ts) - 3600)
            text = "stale: rightly signed, an hour older than the last one"
            story.tell("forger", "CPE", text, kind="hostile")
            rejected = await self._rejections(before, sum(1 for _ in reasons))
            await asyncio.sleep(self.observe)
            after = self._difference(before, stage.counts(await stage.console("status")))
            begun = len(self.cpe.sessions) - sessions
            story.facts["rejected"] = after
            story.facts["sessions_started"] += begun
            for name, reason in reasons.items():
                story.settle(
                    name, after.get(reason) == 1, f"{reason}={after.get(reason, 0)} in its status"
                )
            quiet = not begun and after == rejected and "accepted" not in after
            story.settle("undisturbed", quiet, f"{begun} sessions in {self.observe:g} s")
            words = " ".join(f"{reason}={count}" for reason, count in sorted(after.items()))
            story.tell("CPE", "console", words, f"counted by reason; {begun} sessions came of it")

    async def _rejections(self, before: dict[str, int], wanted: int) -> dict[str, int]:
        """Ask the CPE on its console until it has counted that many more requests."""
        try:
            async with asyncio.timeout(self.patience):
                while True:
                    counts = self.lab.counts(await self.lab.console("status"))
                    found = self._difference(before, counts)
                    if sum(found.values()) >= wanted:
                        return found
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"the CPE counts {found}, {wanted} requests were sent") from None

    @staticmethod
    def _difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
        return {
            name: count - before.get(name, 0)
            for name, count in after.items()
            if count != before.get(name, 0)
        }

    async def _rebinding(self) -> None:
        story = self.story
        story.teller.chapter(
            "The NAT reboots",
            f"The next keepalive (one every {KEEPALIVE} s) shows the device that it has moved.",
        )
        with self._proving("moved"):
            old = self._mapped()
            since = len(self.cpe.informs)
            self.lab.nat.rebind()
            story.tell("NAT", "", "reboots: every mapping is gone", kind="lost")
            await self._bound(old, KEEPALIVE)
            inform = await self._report(since)
            await self.cpe.wait_session_end(inform.session, self.patience)
            new = self._mapped()
            story.settle("moved", new != old, f"{shown(new)}, before {shown(old)}")
        with self._proving("woken_again"):
            await self._quiet()
            ring = await self._ring()
            inform = await ring.woken(self.patience)
            session = await ring.session(self.patience)
            story.facts["second_wake_ms"] = _wake_ms(ring, inform)
            good = bool(session.ok) and ring.to == new
            story.settle("woken_again", good, f"{story.facts['second_wake_ms']:.1f} ms")
            await self._quiet()

    async def _quiet(self) -> None:
        """Until no session runs and none has come for a moment."""
        seen = -1
        async with asyncio.timeout(self.patience):
            while seen != len(self.cpe.sessions):
                seen = len(self.cpe.sessions)
                if self.cpe.session is not None:
                    await self.cpe.wait_session_end(timeout=self.patience)
                await asyncio.sleep(self.settle)

    def _look_back(self) -> None:
        """What only the whole of it can show; not claimed of a story that broke off early."""
        story, stage = self.story, self.lab
        known = self._cpe.connection_request if self._cpe else None
        words = {stage.acs_password, stage.stun_password, known.password if known else ""} - {""}
        said = stage.said
        found = sum(word in said for word in words)
        lines = len(said.splitlines())
        if known is not None:
            story.facts["connection_request_username"] = known.username
            story.facts["connection_request_password"] = known.password
            story.settle(
                "secrets", not found, f"{len(words)} passwords, {found} found in {lines} lines"
            )
        if self._cpe is not None:
            broken = [str(violation) for violation in stage.acs.violations]
            story.settle("rules", not broken, "; ".join(broken[:3]) or "none broken")

    # What is heard meanwhile

    def _heard(self, kind: str, cpe: Cpe | None, what: object) -> None:
        """What the ACS reports to its listeners."""
        tell = self.story.tell
        if isinstance(what, Inform) and cpe is not None:
            why = self._why(cpe, what)
            tell("CPE", "ACS", f"Inform: {', '.join(what.codes)}", why, at_ns=what.first_try_ns)
        elif isinstance(what, Session):
            took = ((what.ended_ns or what.started_ns) - what.started_ns) / 1e6
            text = ", ".join(_asked_by_acs(what)) or "nothing to ask"
            why = f"session over: {what.messages} messages in {took:.0f} ms"
            if not what.ok:
                why = f"session failed: {what.reason}"
            kind = "message" if _asked_by_acs(what) else "quiet"
            tell("ACS", "CPE", text, why, kind=kind, at_ns=what.ended_ns)
        elif kind in ("refused", "violation"):
            tell("ACS", "", f"{kind}: {what}", kind="lost")

    def _why(self, cpe: Cpe, inform: Inform) -> str:
        if CONNECTION_REQUEST in inform.codes and self._ringing is not None:
            return f"woken, {_wake_ms(self._ringing, inform):.1f} ms after the request left"
        if "0 BOOTSTRAP" in inform.codes:
            return "new to this ACS, which sets it up in this session"
        if VALUE_CHANGE not in inform.codes:
            return ""
        address = inform.parameters.get(cpe.management("UDPConnectionRequestAddress"))
        natted = inform.parameters.get(cpe.management("NATDetected"))
        why = f"ring me at {address}" if address else "no UDPConnectionRequestAddress yet"
        return why + ("" if natted is None else f"; NATDetected {natted}")

    def _asked(self, request: Request) -> None:
        """What the STUN server reports."""
        if request.message is None or not request.message.has_connection_request_binding:
            return
        tell, where = self.story.tell, shown(request.source)
        if request.outcome != "success":
            tell("CPE", "STUN", "Binding Request", request.outcome, kind="lost")
            return
        if request.is_change:
            why = "the CPE announces where it can be rung"
            tell("CPE", "STUN", "Binding Request with BINDING-CHANGE", why)
        elif request.source != self._told:
            why = f"seen from {where}, and the answer says so"
            tell("CPE", "STUN", "Binding Request", why)
        else:
            tell("CPE", "STUN", "keepalive", kind="quiet")
        self._told = request.source


def _asked_by_acs(session: Session) -> list[str]:
    """The RPCs that the ACS sent in this session."""
    sent = [entry[2:] for entry in session.log if entry.startswith("< ")]
    return [word for word in sent if word.isalpha() and word != "InformResponse"]


def _wake_ms(ring: Ring, inform: Inform) -> float:
    """From before the first copy left to the first byte of the first attempt of the Inform."""
    return round((inform.first_try_ns - ring.sent_at) / 1e6, 3)


def check_capture(story: Story, capture: Path) -> None:
    """Read the finished capture as a stranger would, and compare it with what was seen live."""
    known = story.facts.get("connection_request_password")
    if known is None:
        return
    try:
        read = explain.story(
            capture, known, username=story.facts.get("connection_request_username")
        )
    except UserError as error:
        story.settle("capture", False, str(error))
        return
    verdicts = read.verdicts()
    story.facts["capture_verdicts"] = verdicts
    wanted = {"accepted": 2, "duplicate": 2 * COPIES - 1, "forged": 1, "stale": 1, "lost": 1}
    broken = [step.text for step in read.steps if step.mark == "wrong" and step.area != "request"]
    found = ", ".join(f"{verdicts.get(verdict, 0)} {verdict}" for verdict in wanted)
    found = "; ".join([f"{found}, {len(read.wakes)} wake-ups", *broken[:3]])
    story.settle("capture", verdicts == wanted and len(read.wakes) == 2 and not broken, found)


async def play(
    place: Place,
    capture: Path,
    teller: Teller,
    *,
    patience: float = 10.0,
    prepare: Callable[[Lab], None] | None = None,
) -> Story:
    """Play the whole scenario and return its outcome; Failed when the lab cannot start.

    `prepare` is called when the servers run and the board does not yet.
    """
    async with lab(place, capture) as stage:
        if prepare is not None:
            prepare(stage)
        story = Story(teller)
        serial = asyncio.create_task(stage.follow_serial(teller.serial))
        try:
            await Scenario(stage, story, patience).play()
        finally:
            serial.cancel()
    check_capture(story, capture)
    return story
