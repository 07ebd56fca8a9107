"""P4: forged datagrams, right in all but the signature, against genuine requests and keepalives at
the same time.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from host_tools.bench.raw_acs import RawAcs
from host_tools.bench.rig import PASSWORD, USERNAME, Rig, site
from host_tools.bench.table import Row
from host_tools.free_port import free_port
from host_tools.lab import udp_request
from host_tools.lab.stun import StunServer

RATES = (2_000, 10_000, 40_000)  # forged datagrams per second
RINGS = 20
GAP = 0.5  # s between two rings
STUN = {"enable": True, "server": "127.0.0.1", "minimum_keepalive_s": 5, "maximum_keepalive_s": 5}
FORGER = """
import socket, sys, time
port, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
datagram = bytes.fromhex(sys.argv[4])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
start = time.perf_counter()
sent = 0
while True:
    now = time.perf_counter() - start
    if now > seconds:
        break
    while sent < now * rate:
        sock.sendto(datagram, ("127.0.0.1", port))
        sent += 1
    time.sleep(0.0005)
print(sent)
"""


def measure(rig: Rig) -> Iterator[Row]:
    """Ring the agent while strangers keep it busy, at each of RATES."""
    for rate in RATES:
        sent, answered, asked, keepalives = asyncio.run(_flood(rig, rate))
        against = f"of {RINGS} rings of three copies, at {sent:,.0f} forged per second"
        bound = RINGS if rate == RATES[0] else None
        yield Row(
            "P4", f"rings answered at {rate:,}/s", answered, "rings", against, bound, at_least=True
        )
        yield Row(
            "P4",
            f"keepalives answered at the first send, {rate:,}/s",
            keepalives,
            "answers",
            f"of {asked} asked",
        )


async def _flood(rig: Rig, rate: int) -> tuple[float, int, int, int]:
    acs = RawAcs()
    port = free_port()
    async with StunServer(port=0) as stun:
        rig.flash(site(acs.url, port, stun={**STUN, "port": stun.address[1]}))
        with rig.running():
            await asyncio.to_thread(acs.next)
            await stun.wait_request(lambda request: request.is_change)
            before = len(stun.log)
            seconds = RINGS * GAP + 1
            forged = udp_request.build(
                USERNAME, "no", "127.0.0.1", port, 1800000000, 7, "9f86d081884c7d65"
            )
            command = [
                sys.executable,
                "-c",
                FORGER,
                str(port),
                str(rate),
                str(seconds),
                forged.hex(),
            ]
            forger = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            start = time.monotonic()
            answered = 0
            for number in range(RINGS):
                await asyncio.sleep(GAP)
                answered += await _rung(stun, acs, port, number)
            took = time.monotonic() - start
            out, _ = await asyncio.to_thread(forger.communicate)
            # A transaction whose request came once was answered at once: the CPE repeats others.
            asked = Counter(request.data[4:20] for request in list(stun.log)[before:])
            at_once = sum(sent == 1 for sent in asked.values())
    acs.close()
    return int(out) / max(took, seconds), answered, len(asked), at_once


async def _rung(stun: StunServer, acs: RawAcs, port: int, number: int) -> bool:
    datagram = udp_request.build(
        USERNAME, PASSWORD, "127.0.0.1", port, 1700000000 + number, number, "9f86d081884c7d65"
    )
    for _ in range(3):
        stun.send(datagram, ("127.0.0.1", port))
    try:
        await asyncio.to_thread(acs.next, 3.0)
    except Exception:
        return False
    return True
