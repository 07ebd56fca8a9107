"""The firmware and a STUN server that asks for integrity, errs, loses, delays or lies (X12)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from host_tools.lab import rpc
from host_tools.lab import stun_faults as faults
from host_tools.lab.stun import Request, StunServer
from host_tools.lab.stun_codec import Integrity
from host_tools.lab.stun_faults import Fault
from tests.interop.scene import ADDRESS, MakeCpe, Scene, distinct, scene, shown

pytestmark = [pytest.mark.asyncio, pytest.mark.interop]

USERNAME, PASSWORD = "cpe-0001", "stun-password"
LONG_USERNAME = "cpe-000000000001"  # 16 bytes: see the test of the ambiguous text
CREDENTIALS: dict[str, Any] = {"stun_username": USERNAME, "stun_password": PASSWORD}
KEEPALIVE: dict[str, Any] = {"minimum_keepalive": 5, "maximum_keepalive": 5}  # seconds
PADDED, UNPADDED = Integrity.PADDED, Integrity.UNPADDED
BINDING_LOST = r"^W \d+ binding: failed reason=\"(.*)\" failures=1 "


class Faulty(Scene):
    stun: StunServer

    @property
    def told_server(self) -> list[tuple[str, str, str]]:
        """The transactions in order: (plain or change, how it was signed, how it was answered)."""
        requests = distinct(self.stun.log)
        return [("change" if r.is_change else "plain", signature(r), r.outcome) for r in requests]


def signature(request: Request) -> str:
    """How a request is signed: "" for not at all, "both" where the variants are the same bytes."""
    if not request.is_signed:
        return ""
    fits = request.verified & {PADDED, UNPADDED}
    return "both" if len(fits) == 2 else next(iter(fits)).value if fits else "wrong"


@asynccontextmanager
async def faulty(
    make_cpe: MakeCpe,
    *switched_on: Fault,
    personality: str = "classic",
    **options: Any,
) -> AsyncIterator[Faulty]:
    """A CPE on loopback whose STUN server has these faults from the start."""
    known = {USERNAME: PASSWORD, LONG_USERNAME: PASSWORD}
    async with StunServer(personality=personality, credentials=known) as stun:
        stun.faults.add(*switched_on)
        async with scene(make_cpe, stun.address, lab=stun, **options) as found:
            it = Faulty(found.board, found.acs, found.device)
            it.stun = stun
            yield it


# 401 and what follows


@pytest.mark.parametrize(
    ("transaction_id", "variant"), [("cookie", UNPADDED), ("classic", PADDED)]
)
async def test_stun_30_signs_after_a_401_only(
    make_cpe: MakeCpe, transaction_id: str, variant: Integrity
) -> None:
    """A new transaction each time; unpadded first where the id has the cookie (STUN-33)."""
    async with faulty(
        make_cpe, faults.DemandIntegrity(), transaction_id=transaction_id, **CREDENTIALS
    ) as it:
        await it.settled()
        assert it.told_server == [
            ("plain", "", "error 401"),
            ("plain", variant.value, "success"),
            ("change", "", "error 401"),
            ("change", variant.value, "success"),
        ]
        ids = {r.message.transaction_id for r in it.stun.log if r.message is not None}
        assert len(ids) == 4
        await it.wake()


@pytest.mark.parametrize(
    "options",
    [{}, {"stun_username": USERNAME}, {"stun_password": PASSWORD}],
    ids=["none", "username", "password"],
)
async def test_stun_30_401_without_credentials_is_a_failure_that_status_explains(
    make_cpe: MakeCpe, options: dict[str, str]
) -> None:
    async with faulty(make_cpe, faults.DemandIntegrity(), **options) as it:
        failed = await it.board.seen(BINDING_LOST)
        assert failed[1].startswith("error 401")
        assert it.told_server == [("plain", "", "error 401")]
        said = await it.wakeable()
        assert said.startswith("NOT READY: ")
        assert "error 401" in said and "STUNUsername and STUNPassword" in said
        assert await it.published() == ""  # not 0.0.0.0 either (B10)


async def test_stun_31_401_on_changes_alone(make_cpe: MakeCpe) -> None:
    """Keepalives stay unsigned: nobody asked them to be otherwise."""
    async with faulty(
        make_cpe, faults.DemandIntegrityOnChange(), **CREDENTIALS, **KEEPALIVE
    ) as it:
        await it.settled()
        await it.stun.wait_request(lambda request: request.is_keepalive, 20, since=3)
        assert it.told_server == [
            ("plain", "", "success"),
            ("change", "", "error 401"),
            ("change", "unpadded", "success"),
            ("plain", "", "success"),
        ]


@pytest.mark.parametrize("code", [401, 431])
@pytest.mark.parametrize("transaction_id", ["cookie", "classic"])
@pytest.mark.parametrize("only", [faults.PaddedOnly, faults.UnpaddedOnly])
async def test_stun_33_finds_the_variant_and_remembers_it(
    make_cpe: MakeCpe,
    only: type[faults.PaddedOnly] | type[faults.UnpaddedOnly],
    transaction_id: str,
    code: int,
) -> None:
    first = UNPADDED if transaction_id == "cookie" else PADDED
    right = only.variant
    async with faulty(
        make_cpe,
        faults.DemandIntegrity(),
        only(code=code),
        transaction_id=transaction_id,
        **CREDENTIALS,
    ) as it:
        await it.settled()
        tried = [("plain", first.value, f"error {code}")] if first is not right else []
        assert it.told_server == [
            ("plain", "", "error 401"),
            *tried,
            ("plain", right.value, "success"),
            ("change", "", "error 401"),
            ("change", right.value, "success"),
        ]


async def test_stun_33_success_of_an_ambiguous_text_is_not_remembered(make_cpe: MakeCpe) -> None:
    """20 + 4 + 16 + 24 = 64 bytes stand before the integrity: both variants are the same bytes
    there, but not in the change, which is 4 longer."""
    async with faulty(
        make_cpe,
        faults.DemandIntegrity(),
        faults.PaddedOnly(),
        stun_username=LONG_USERNAME,
        stun_password=PASSWORD,
    ) as it:
        await it.settled()
        assert it.told_server == [
            ("plain", "", "error 401"),
            ("plain", "both", "success"),
            ("change", "", "error 401"),
            ("change", "unpadded", "error 431"),
            ("change", "padded", "success"),
        ]


async def test_stun_36_two_resends_at_most_then_it_waits(make_cpe: MakeCpe) -> None:
    spoiled = [faults.DemandIntegrity(), faults.PaddedOnly(), faults.UnpaddedOnly()]
    async with faulty(make_cpe, *spoiled, **CREDENTIALS) as it:
        failed = await it.board.seen(BINDING_LOST)
        assert failed[1] == "error 431"
        assert it.told_server == [
            ("plain", "", "error 401"),
            ("plain", "unpadded", "error 431"),
            ("plain", "padded", "error 431"),
        ]
        assert "error 431" in await it.wakeable()


@pytest.mark.parametrize(
    "fault",
    [
        faults.WrongResponseIntegrity,
        faults.MissingResponseIntegrity,
        faults.HmacNotImplemented,  # X7
    ],
)
async def test_stun_34_answers_to_signed_requests_must_verify(
    make_cpe: MakeCpe, fault: type[Fault]
) -> None:
    """A wrong answer counts as none: the request is sent again, and the right one is taken."""
    async with faulty(make_cpe, faults.DemandIntegrity(), fault(next=2), **CREDENTIALS) as it:
        await it.settled()
        assert it.told_server == [
            ("plain", "", "error 401"),
            ("plain", "unpadded", "success"),
            ("change", "", "error 401"),
            ("change", "unpadded", "success"),
        ]
        again = [r for r in it.stun.log if r.is_signed and not r.is_change]
        assert len(again) >= 3  # two wrong answers, and a right one
        counts = await it.counts()
        assert counts["dropped"] >= 2 and counts["failures"] == 0


async def test_x7_literal_integrity_of_a_challenging_stund_is_no_signature(
    make_cpe: MakeCpe,
) -> None:
    """It answers keepalives freely, asks for integrity on a change and then signs with a text:
    the binding stands, its announcement stays unconfirmed."""
    async with faulty(make_cpe, personality="annex-g-demo", **CREDENTIALS) as it:
        address = await it.bound()
        assert "integrity" in (await it.board.seen(r"^D \d+ binding: dropped reason=\"(.*)\""))[1]
        await it.known(address)
        assert "binding: announced" not in it.board.said()
        await it.wake()


# Answers that are late, twice, wrong, or not there


@pytest.mark.parametrize(
    "fault",
    [
        faults.WrongTransactionId,
        faults.UnknownMandatory,
        faults.Truncated,
        faults.AttributeOverrun,
        faults.OddLength,
        faults.EmptyAttributes,
        faults.Ipv6Family,
        faults.Garbage,
        faults.LostAnswer,
    ],
)
async def test_b11_a_wrong_answer_is_as_good_as_none(
    make_cpe: MakeCpe, fault: type[Fault]
) -> None:
    async with faulty(make_cpe, fault(next=2)) as it:
        await it.settled()
        plain = [request for request in it.stun.log if not request.is_change]
        assert len(plain) >= 3 and len(distinct(plain)) == 1
        counts = await it.counts()
        assert (counts["answers"], counts["failures"], counts["changes"]) == (2, 0, 1)
        await it.wake()


@pytest.mark.parametrize(
    "fault",
    [faults.Reordered, faults.WithoutSourceAndChanged, faults.XorOnly],
)
async def test_x11_any_order_and_unknown_optional_attributes(
    make_cpe: MakeCpe, fault: type[Fault]
) -> None:
    async with faulty(make_cpe, fault()) as it:
        await it.settled()
        assert [request.is_change for request in distinct(it.stun.log)] == [False, True]
        assert "binding: dropped" not in it.board.said()
        await it.wake()


async def test_stun_03_answer_from_another_address_is_known_by_its_id(make_cpe: MakeCpe) -> None:
    async with faulty(make_cpe, faults.FromElsewhere(host="127.0.0.2")) as it:
        await it.settled()
        assert [request.is_change for request in distinct(it.stun.log)] == [False, True]
        await it.wake()


async def test_stun_03_every_answer_counts_once(make_cpe: MakeCpe) -> None:
    async with faulty(make_cpe, faults.Duplicate(copies=3)) as it:
        await it.settled()
        await it.wake()  # its datagram stands behind the copies in the queue
        assert [request.is_change for request in distinct(it.stun.log)] == [False, True]
        counts = await it.counts()
        assert (counts["answers"], counts["changes"]) == (2, 1)
        assert counts["dropped"] >= 4


async def test_ucr_11_credentials_count_from_the_end_of_the_session_that_set_them(
    make_cpe: MakeCpe,
) -> None:
    """The ring is under way before the CPE has read the ACS's last answer."""
    for _ in range(4):
        async with faulty(make_cpe) as it:
            await it.wake(address=f"127.0.0.1:{it.port}")
            assert "no-credentials" not in it.board.said()


async def test_stun_62_an_address_read_during_discovery_is_corrected(make_cpe: MakeCpe) -> None:
    """Without a NAT the address found is the one reported before: still the ACS has to hear of it,
    as in between it has read that there is none."""
    silence = faults.Silence()
    async with faulty(make_cpe, silence) as it:
        values = it.device.queue(rpc.get_values(ADDRESS))
        await it.ring(address=f"127.0.0.1:{it.port}")
        assert (await values)[ADDRESS] == ""
        it.stun.faults.remove(silence)
        await it.told(await it.bound())


async def test_stun_40_late_answers_are_taken_once(make_cpe: MakeCpe) -> None:
    """Each answer takes longer than some resends: the first ends the transaction, the others are
    strangers."""
    async with faulty(make_cpe, faults.Delay(seconds=0.5)) as it:
        await it.settled()
        plain = [request.data for request in it.stun.log if not request.is_change]
        changes = [request.data for request in it.stun.log if request.is_change]
        assert len(plain) >= 2 and len(changes) >= 2
        assert len(set(plain)) == len(set(changes)) == 1
        counts = await it.counts()
        assert (counts["answers"], counts["failures"], counts["changes"]) == (2, 0, 1)


@pytest.mark.parametrize(
    "refusal", [faults.ErrorAnswer(code=420, attribute=0xC001), faults.ErrorWithoutCode()]
)
async def test_stun_35_a_server_that_knows_no_annex_g_is_left_alone_for_long(
    make_cpe: MakeCpe, refusal: Fault
) -> None:
    async with faulty(make_cpe, refusal) as it:
        await it.board.seen(r"^W \d+ binding: error code=420 ")
        assert "(420)" in await it.wakeable()
        await it.board.seen(r"^W \d+ binding: failed .*\(420\)\" failures=1 retry_ms=3[678]\d{5}$")
        assert len(distinct(it.stun.log)) == 1


async def test_b12_silence_leaves_the_published_address_and_status_says_so(
    make_cpe: MakeCpe,
) -> None:
    """A keepalive is lost with all its resends: nothing is reported as changed (STUN-45), and the
    CPE still wakes."""
    async with faulty(make_cpe, **KEEPALIVE) as it:
        address = await it.settled()
        informed = len(it.device.informs)
        it.stun.faults.add(faults.Silence())
        await asyncio.to_thread(it.board.expect, BINDING_LOST)
        lost = [request for request in it.stun.log if request.outcome == "silence"]
        assert 1 < len(lost) <= 9 and len(distinct(lost)) == 1
        assert lost[0].is_keepalive
        said = await it.wakeable()
        assert said.startswith("NOT READY: ")
        assert f"{shown(it.stun.address)} does not answer any more (timeout, 1 times)" in said
        assert any(line.split()[1] == shown(address) for line in await it.command("binding"))
        assert len(it.device.informs) == informed
        assert it.device.parameters[ADDRESS] == shown(address)
        await it.wake()
        assert len(it.device.informs) == informed + 1
