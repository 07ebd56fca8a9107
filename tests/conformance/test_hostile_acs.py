"""A running CPE whose ACS answers with damaged bytes: each session ends, and nothing is lost."""

import itertools
import re
import statistics
from collections.abc import Awaitable, Callable

import pytest

from host_tools.lab import acs_faults, rpc
from host_tools.lab.acs_faults import Incoming, Misbehaviour, Normal
from host_tools.lab.acs_http import Reply
from tests.conformance.rig import INFO, MS, MakeRig, Rig
from tests.conformance.test_hostile_datagrams import heap
from tests.host.mutations import Xorshift, mutate

CODE = INFO + "ProvisioningCode"  # whose changes the CPE has to tell
SITE = {"acs": {"timeout_s": 1}, "log": {"level": "I"}}
GROWTH = 2048  # bytes of heap that may come and go
STEADY = 128  # bytes of heap from one tenth of a long run to the next, usually
# What the lab notes of a CPE that was told damaged cookies, ids and requests.
OF_OUR_OWN_MAKING = {"CWMP-03", "CWMP-06", "CWMP-13", "CWMP-21"}

Answer = Callable[[Incoming, Normal], Awaitable[Reply]]


class Damage:
    """Changes some answers of the ACS; what it was going to say counts as said."""

    def __init__(self, seed: int) -> None:
        self.rng = Xorshift(seed)
        self.count = 0
        self._corpus = [b"HTTP/1.1 204 No Content\r\n\r\n"]

    def __call__(self, incoming: Incoming) -> Misbehaviour | None:
        # A redirect is not among them: damaged it leads out of the lab.
        others = (
            acs_faults.unauthorized(),
            acs_faults.unavailable(1),
            acs_faults.html_page(),
            acs_faults.chunked(7),
            acs_faults.soap_fault(),
            acs_faults.odd_prefixes(),
        )
        if self.rng.below(3) == 0:
            return None
        self.count += 1
        other = self.rng.pick(others) if self.rng.below(4) == 0 else None

        async def reply(incoming: Incoming, normal: Normal) -> Reply:
            whole = await (other.reply(incoming, normal) if other else normal())
            data = whole.to_bytes()
            self._corpus = [*self._corpus[-15:], data]
            damaged = mutate(self.rng, data, self._corpus, self.rng.pick((b"\r\n", b">", b" ")))
            return Reply(raw=damaged, close=self.rng.below(4) != 0)

        return Misbehaviour("damage", reply)


def untold(said: str) -> list[str]:
    """What the log tells of an event that an accepted Inform should have carried and did not.

    A change stays in every Inform until one was accepted; so does the boot.
    """
    wrong = []
    pending = {"4 VALUE CHANGE": 0, "1 BOOT": 0}  # when each was last caused, by line
    carried: dict[str, int] = {}
    for number, line in enumerate(said.splitlines(), 1):
        informed = re.match(r'I \d+ session: inform events="([^"]*)"', line)
        if re.match(r"I \d+ boot: start", line):
            pending["1 BOOT"] = number
        elif line.startswith(CODE + " = "):
            pending["4 VALUE CHANGE"] = number
        elif informed:
            carried = {event: at for event, at in pending.items() if at}
            wrong += [f"{number} lacks {event}" for event in carried if event not in informed[1]]
        elif re.match(r"I \d+ session: accepted", line):
            for event, at in carried.items():
                if pending[event] == at:
                    pending[event] = 0
    return wrong + [f"{event} was never told" for event, at in pending.items() if at]


async def one_session(rig: Rig, number: int) -> None:
    """Give the CPE a reason and the ACS something to ask, and wait until that came to an end."""
    calls = (
        rpc.get_values("Device."),
        rpc.get_names("Device.", False),
        rpc.get_rpc_methods(),
        rpc.set_values({MS + "UpgradesManaged": bool(number & 1)}),
        rpc.get_attributes("Device.DeviceInfo."),
    )
    waiting = [rig.cpe.queue(call) for call in calls]
    at = rig.board.target.log_position()
    if number % 3:
        await rig.ring()
    else:
        await rig.command(f"set {CODE} code-{number}")
    ended = re.compile(r"session: (?:done|failed)")
    await rig.until(lambda: ended.search(rig.board.target.said(at)), "end of the session", 15)
    for future in waiting:
        future.cancel()


async def heap_after_each(rig: Rig, sessions: int) -> list[int]:
    """What the heap holds after each of that many sessions, in bytes."""
    readings = []
    for number in range(sessions):
        await one_session(rig, number)
        readings.append(await heap(rig))
    return readings


def whole_growth(before: list[int], after: list[int]) -> bool:
    """Whether the heap grew from one half of a run to the other, which was damaged alike.

    One reading may find what a session that is just failing has in hand; a leak raises them all.
    """
    return min(after[-6:]) - before[-1] >= GROWTH


def steady_growth(before: list[int], after: list[int]) -> bool:
    """Whether the heap grew all the time in the second half of a long run. Where there is plenty,
    what a rare damage loads is kept: that raises the floor once, and a leak each time.
    """
    size = len(after) // 10
    floors = [min(after[at : at + size]) for at in range(0, len(after), size)]
    steps = [later - one for one, later in itertools.pairwise(floors)]
    return statistics.median(steps) >= STEADY or floors[-1] - min(before[-size:]) >= 4 * GROWTH


async def survives(
    make_rig: MakeRig, seed: int, sessions: int, grew: Callable[[list[int], list[int]], bool]
) -> None:
    rig = await (await make_rig(site=SITE)).ready()
    damage = Damage(seed)
    rig.acs.script.decide = damage
    await rig.power_cut()  # 1 BOOT has to be told to this ACS
    await rig.board.seen("session: inform")
    # The first half loads what odd answers need, and keeps it.
    before = await heap_after_each(rig, sessions)
    damage = rig.acs.script.decide = Damage(seed)
    after = await heap_after_each(rig, sessions)
    print(f"heap {before[0]}, {min(before[-6:])} half-way, {min(after[-6:])} at the end")
    assert not grew(before, after), (before, after)
    rig.acs.script.decide = None
    await rig.idle(timeout=20)
    # The last change was told, whatever became of the sessions; nothing is left to tell.
    changes = [number for number in range(sessions) if number % 3 == 0]
    await rig.until(lambda: rig.cpe.parameters.get(CODE) == f"code-{changes[-1]}", "last change")
    assert await rig.command("events") == []
    said = rig.board.said()
    assert untold(said) == []
    assert not re.search("Traceback|^E |internal", said, re.MULTILINE), said
    assert damage.count >= sessions / 2
    found = {violation.rule for violation in rig.acs.violations}
    assert found <= OF_OUR_OWN_MAKING, rig.acs.violations
    rig.acs.violations.clear()
    session = await rig.wake()
    assert session.ok
    assert rig.acs.violations == []


async def test_cwmp_08_16_b18_damaged_answers_cost_no_event_and_no_memory(make_rig: MakeRig):
    await survives(make_rig, seed=1, sessions=9, grew=whole_growth)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 4))
async def test_soak_cwmp_08_16_b18_damaged_answers(make_rig: MakeRig, seed: int):
    await survives(make_rig, seed=seed, sessions=300, grew=steady_growth)


def test_a_leak_would_show() -> None:
    noise = [(number * 37 % 11) * 32 for number in range(300)]
    loaded = [at + (2700 if number > 23 else 0) for number, at in enumerate(noise)]
    assert not steady_growth(noise, noise) and not steady_growth(noise, loaded)
    often = [at + number // 4 * 32 for number, at in enumerate(noise)]
    assert steady_growth(noise, often) and steady_growth(noise, [at + 8192 for at in noise])
    assert whole_growth(noise, [at + GROWTH + 400 for at in noise])


def test_a_lost_event_would_show() -> None:
    inform = 'I 1 session: inform events="{}" retry=0 prepared=0\n'
    boot, change = "I 0 boot: start version=1\n", CODE + " = x  (string)\n"
    told = boot + inform.format("1 BOOT") + "I 2 session: accepted\n"
    assert untold(told) == [] and untold(boot) == ["1 BOOT was never told"]
    assert untold(told + change + inform.format("")) == [
        "5 lacks 4 VALUE CHANGE",
        "4 VALUE CHANGE was never told",
    ]
    late = inform.format("6 CONNECTION REQUEST") + change + "I 3 session: accepted\n"
    assert untold(late) == ["4 VALUE CHANGE was never told"]
