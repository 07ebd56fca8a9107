"""UDP Connection Requests against a live CPE: who is let in and what is remembered."""

import asyncio
import re
import socket

import pytest

from host_tools.lab import rpc, udp_request
from host_tools.lab.cpe import Credentials
from host_tools.lab.udp_request import STYLES, Style
from tests.conformance.rig import MS, RING, MakeRig, Rig

USER = MS + "ConnectionRequestUsername"
WORD = MS + "ConnectionRequestPassword"


async def counts(rig: Rig) -> dict[str, int]:
    """How many requests met which verdict, as the console says."""
    (line,) = [line for line in await rig.command("status") if line.startswith("requests")]
    return {name: int(number) for name, number in re.findall(r"([\w-]+)=(\d+)", line)}


async def judged(rig: Rig, total: int) -> dict[str, int]:
    """The same, when `total` requests have been looked at since boot."""
    async with rig.within(10):
        while sum((found := await counts(rig)).values()) < total:
            await asyncio.sleep(0.005)
    assert sum(found.values()) == total
    return found


MAILBOX = 3  # datagrams at a time: a socket of ESP-IDF keeps five or six that nobody reads


class Sender:
    """Sends requests to one CPE and knows how each was judged."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sent = 0
        self.before: dict[str, int] = {}

    async def __call__(self, *datagrams: bytes) -> dict[str, int]:
        """Send these, return the verdicts."""
        for at in range(0, len(datagrams), MAILBOX):
            for datagram in datagrams[at : at + MAILBOX]:
                self.rig.send(datagram)
                self.sent += 1
            found = await judged(self.rig, self.sent)
        new = {name: count - self.before.get(name, 0) for name, count in found.items()}
        self.before = found
        return {name: count for name, count in new.items() if count}

    async def verdict(self, datagram: bytes) -> str:
        (name,) = await self(datagram)
        return name


def signed(rig: Rig, ts: int | str, id: int | str, style: str | Style = "spec", **more) -> bytes:
    """A request with the credentials that this CPE has."""
    known = rig.cpe.connection_request
    values = {"username": known.username, "password": known.password, "cn": "abc", **more}
    return udp_request.build(
        values["username"],
        values["password"],
        rig.address,
        rig.port,
        ts,
        id,
        values["cn"],
        style,
    )


async def test_ucr_10_nothing_is_ever_answered(rig: Rig):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((rig.host, 0))
        sender.setblocking(False)
        to = (rig.address, rig.port)
        good = signed(rig, 10, 1)
        bad = [
            signed(rig, 11, 2, password="wrong"),
            signed(rig, 11, 2, username="wrong"),
            good,
            good.replace(b"GET", b"PUT"),
            b"hello",
            b"GET / HTTP/1.1\r\n\r\n",
            good[:40],
        ]
        for datagram in [good, *bad]:
            sender.sendto(datagram, to)
        await judged(rig, 8)
        await rig.cpe.wait_inform(RING)
        await rig.idle()
        with pytest.raises(BlockingIOError):
            sender.recv(2000)


async def test_b1_ucr_11_every_digit_of_the_signature_counts(rig: Rig):
    send = Sender(rig)
    good = signed(rig, 50, 7)
    at = good.index(b"sig=") + 4
    flipped = [
        good[: at + i] + (b"0" if good[at + i : at + i + 1] != b"0" else b"1") + good[at + i + 1 :]
        for i in range(40)
    ]
    assert await send(*flipped) == {"bad-signature": 40}
    assert await send(good[: at + 39] + good[at + 40 :]) == {"malformed": 1}
    assert await send(good[:at] + good[at + 40 :]) == {"malformed": 1}
    assert not any(RING in inform.codes for inform in rig.cpe.informs)
    assert await send(good) == {"accepted": 1}  # and none of the forged ones was remembered
    await rig.cpe.wait_inform(RING)


async def test_ucr_11_hex_of_either_case_and_x1_whatever_senders_write(rig: Rig):
    send = Sender(rig)
    number = 1000
    for style in STYLES.values():
        number += 1
        assert await send.verdict(signed(rig, number, number, style)) == "accepted", style.name
    for style in (udp_request.in_order(("sig", "cn", "id", "ts", "un")),):
        number += 1
        assert await send.verdict(signed(rig, number, number, style)) == "accepted"
    good = signed(rig, 2000, 2000)
    twice = good.replace(b"&cn=abc", b"&cn=abc&cn=abc")
    assert await send(twice) == {"malformed": 1}


async def test_x2_seconds_then_milliseconds(rig: Rig):
    send = Sender(rig)
    assert await send.verdict(signed(rig, 1700000000, 4294967295)) == "accepted"
    assert await send.verdict(signed(rig, 1700000000123, 4294967294)) == "accepted"
    # Back to seconds is stale: until the ACS sets other credentials.
    assert await send.verdict(signed(rig, 1700000001, 1)) == "stale"
    await rig.idle()
    done = rig.cpe.queue(rpc.set_values({USER: "other-user", WORD: "Other-Pass-4"}))
    await rig.wake(ts=1700000000124, copies=1)
    assert await done == 0
    rig.cpe.connection_request = Credentials("other-user", "Other-Pass-4")
    await rig.idle()
    send.sent += 1
    assert await send(signed(rig, 1700000001, 2)) == {"accepted": 2}


async def test_x3_copies_signed_with_another_credential_of_the_same_ts(rig: Rig):
    send = Sender(rig)
    foreign = signed(rig, 30, 8, username="old-user", password="old")
    right = signed(rig, 30, 9)
    seen = len(rig.cpe.informs)
    found = await send(foreign, foreign, foreign, right, right, right)
    assert found == {"wrong-username": 3, "accepted": 1, "duplicate": 2}
    await rig.informed(RING, seen)
    await rig.idle()
    assert len(rig.cpe.informs) == seen + 1


async def test_x14_a_sha256_signature_is_one_clear_line(rig: Rig):
    good = signed(rig, 40, 1)
    at = good.index(b"sig=") + 4
    long = good[: at + 40] + b"0" * 24 + good[at + 40 :]
    send = Sender(rig)
    assert await send(long, long, long) == {"malformed": 3}
    lines = [line for line in rig.board.said().splitlines() if "HMAC-SHA256" in line]
    assert len(lines) == 1 and "this CPE speaks HMAC-SHA1" in lines[0]


@pytest.mark.parametrize("username", ["dev%2Dice 1", "0200-00%2D17", "a+b&c=d", "Zoë"])
async def test_ucr_13_x4_usernames_encoded_or_not(rig: Rig, username):
    await rig.ask(rpc.set_values({USER: username}))
    word = rig.cpe.connection_request.password
    rig.cpe.connection_request = Credentials(username, word)
    await rig.idle()
    send = Sender(rig)
    send.sent = sum((await counts(rig)).values())
    send.before = await counts(rig)
    number = 2**31
    for style in ("spec", "wire-signed", "genieacs"):
        number += 1
        try:
            datagram = signed(rig, number, number, style)
        except ValueError:
            assert style == "genieacs"  # nobody can send this one unencoded
            continue
        assert await send.verdict(datagram) == "accepted", style
    assert await send.verdict(signed(rig, number + 1, 5, username=username.upper() + "x")) == (
        "wrong-username"
    )


@pytest.mark.parametrize("given", [{}, {"username": "u-1"}, {"password": "Pass-Word-9"}])
async def test_ucr_15_b4_without_credentials_nothing_is_let_in(make_rig: MakeRig, given):
    rig = await make_rig(provisioned=False, site={"connection_request": given})
    await rig.start()
    cpe = await rig.acs.wait_cpe()
    await cpe.wait_session_end(1)
    status = "\n".join(await rig.idle())
    assert "NOT READY: no ConnectionRequestUsername and ConnectionRequestPassword" in status
    assert "every request is refused until the ACS sets both" in status
    name, word = given.get("username", ""), given.get("password", "")
    forms = [
        udp_request.build(name or "u", word, rig.address, rig.port, 5, 1, "abc"),
        udp_request.build(name or "u", "", rig.address, rig.port, 5, 2, "abc"),
        udp_request.build(name or "u", word, rig.address, rig.port, 5, 3, "abc").replace(
            b"un=" + (name or "u").encode(), b"un="
        ),
    ]
    found = await Sender(rig)(*forms)
    assert "accepted" not in found and found["no-credentials"] >= 2
    await rig.board.seen(r"^W \d+ cr: dropped reason=no-credentials")
    assert len(cpe.informs) == 1


async def test_ucr_20_equal_ts_new_id_and_replays(rig: Rig):
    send = Sender(rig)
    for ts, id, verdict in (
        (100, 1, "accepted"),
        (100, 1, "duplicate"),
        (100, 2, "accepted"),
        (100, 1, "duplicate"),
        (99, 3, "stale"),
        (101, 2, "duplicate"),
        (101, 3, "accepted"),
        (100, 4, "stale"),
        ("00101", 3, "duplicate"),
        (102, 1, "accepted"),
    ):
        assert await send.verdict(signed(rig, ts, id)) == verdict, (ts, id)


async def test_b2_odd_ts_and_a_b_a_replay(rig: Rig):
    send = Sender(rig)
    first, second = signed(rig, 200, 1), signed(rig, 201, 2)
    assert await send(first) == {"accepted": 1}
    assert await send(second) == {"accepted": 1}
    assert await send(first) == {"stale": 1}
    assert await send(signed(rig, 201, 1)) == {"accepted": 1}  # another id of that second
    assert await send(signed(rig, 0, 9)) == {"stale": 1}
    for odd in ("-1", "", "12a4", "9" * 30, "0x99", "+5", "1.5"):
        datagram = signed(rig, 300, 5).replace(b"ts=300", b"ts=" + odd.encode())
        assert await send.verdict(datagram) in ("malformed", "stale"), odd
    assert await send(signed(rig, 301, 6)) == {"accepted": 1}


async def test_ucr_21_b3_a_forged_ts_locks_nobody_out(rig: Rig):
    send = Sender(rig)
    huge = signed(rig, "9" * 20, 77, password="not the password")
    assert await send(huge, huge) == {"bad-signature": 2}
    assert await send(signed(rig, 400, 77)) == {"accepted": 1}
    assert await send(signed(rig, "9" * 20, 78, username="nobody")) == {"wrong-username": 1}
    assert await send(signed(rig, 401, 79)) == {"accepted": 1}


async def test_ucr_22_three_copies_are_one_session(rig: Rig):
    seen = len(rig.cpe.informs)
    await rig.wake(copies=3)
    await rig.idle()
    assert [inform.codes for inform in rig.cpe.informs[seen:]] == [[RING]]
    assert await counts(rig) == {"accepted": 1, "duplicate": 2}


async def test_ucr_23_25_b19_ts_has_nothing_to_do_with_a_clock(rig: Rig):
    send = Sender(rig)
    assert await send(signed(rig, 0, 1)) == {"accepted": 1}  # the very first, and not special
    assert await send(signed(rig, 0, 1)) == {"duplicate": 1}
    assert await send(signed(rig, 0, 2)) == {"accepted": 1}
    assert await send(signed(rig, 1, 3)) == {"accepted": 1}
    assert await send(signed(rig, 0, 4)) == {"stale": 1}
    assert await send(signed(rig, 99999999999999999999, 5)) == {"accepted": 1}


async def rebooted(rig: Rig) -> None:
    seen = len(rig.cpe.informs)
    await rig.informed("1 BOOT", seen)
    await rig.idle()


async def test_ucr_24_memory_over_reboot_and_power_cut(rig: Rig):
    send = Sender(rig)
    used = signed(rig, 500, 1)
    assert await send(used) == {"accepted": 1}
    await rig.cpe.wait_inform(RING)
    await rig.saved()
    for restart in (rig.power_cut, lambda: asyncio.to_thread(rig.board.reset), rig.reboot):
        waiting = asyncio.create_task(rebooted(rig))
        await asyncio.sleep(0)
        await restart()
        await waiting
        send = Sender(rig)
        found = await send(used, signed(rig, 499, 2))
        assert found == {"duplicate": 1, "stale": 1}
    assert await send(signed(rig, 500, 3)) == {"accepted": 1}


@pytest.mark.parametrize("what", ["username", "password", "url"])
async def test_ucr_24_memory_is_cleared_with_credentials_or_acs_url(rig: Rig, what):
    send = Sender(rig)
    assert await send(signed(rig, 500, 1)) == {"accepted": 1}
    assert await send(signed(rig, 1, 1)) == {"stale": 1}
    await rig.idle()
    known = rig.cpe.connection_request
    if what == "url":
        await rig.set("URL", (await rig.new_acs()).url)
        await rig.acss[1].wait_cpe()
    else:
        name, new = (USER, "another") if what == "username" else (WORD, "Another-Pass-3")
        done = rig.cpe.queue(rpc.set_values({name: new}))
        await rig.wake(ts=502, copies=1)
        assert await done == 0
        send.sent += 1
        send.before["accepted"] += 1
        both = (new, known.password) if name == USER else (known.username, new)
        rig.cpe.connection_request = Credentials(*both)
    await rig.idle()
    assert await send(signed(rig, 1, 1)) == {"accepted": 1}
    await rig.idle()
    await rig.power_cut()  # and it stays so
    await rig.board.seen(r"net: listening")
    send = Sender(rig)
    found = await send(signed(rig, 1, 1), signed(rig, 499, 9))
    assert found == {"duplicate": 1, "accepted": 1}


async def test_b5_b6_b7_malformed_requests_leave_the_cpe_as_it_was(rig: Rig):
    send = Sender(rig)
    good = signed(rig, 600, 6)
    line, _, rest = good.partition(b"\r\n")
    bad = [good.replace(key + b"=", b"zz=", 1) for key in (b"ts", b"&id", b"&un", b"&cn", b"&sig")]
    bad += [
        good.replace(b"GET", b"POST", 1),
        line.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + rest,
        good.replace(b"?ts", b"/path?ts", 1),
        good.replace(f"http://{rig.address}".encode(), b"", 1),
        line + b"\r\nContent-Length: 5\r\n\r\nhello",
        b"GET http://127.0.0.1:1?" + b"A" * 1400 + b" HTTP/1.1\r\n\r\n",
        b"A",
    ]
    if rig.can("loopback"):  # lwIP in an official image puts no fragments together
        bad += [b"G" * 1473, b"G" * 9000]
    assert await send(*bad) == {"malformed": len(bad)}
    assert await send(b"") == {"neither": 1}  # and nobody is deaf for it
    assert await send(b"\xff" * 100) == {"neither": 1}  # nor STUN
    rig.send(b"\x00\x01\x00\x00" + b"\x21\x12\xa4\x42" + b"x" * 12)
    rig.send(b"\x01\x01\xff\xff")
    # A long one, then a short one that would be good with what the long one left behind.
    assert await send(b"Z" * len(good), good[:-60]) == {"malformed": 2}
    assert await send(good) == {"accepted": 1}
    assert (await rig.cpe.wait_inform(RING)).codes == [RING]


async def test_b13_a_flood_of_strangers_is_a_few_lines(rig: Rig):
    send = Sender(rig)
    forged = [signed(rig, 700 + i, i, password="guess") for i in range(60)]
    assert await send(*forged) == {"bad-signature": 60}
    lines = [line for line in rig.board.said().splitlines() if "bad-signature count" in line]
    assert 1 <= len(lines) <= 2
    assert (await rig.wake()).ok
