"""One IPPing test (ICMP echo). Loaded for it, and dropped afterwards where memory is scarce."""

import asyncio
import os
import socket
from time import ticks_diff, ticks_ms

from micropython import const

from .diagnostics import diagnosed
from .poll import forget, readable

_ICMP = const(1)
_ECHO = const(8)
_HEADER = const(8)
_IP_MAX = const(60)  # of the header that comes before an answer
_PAUSE = const(100)  # ms between two requests


async def run(agent, owner, host, count, timeout, size, dscp):
    """Send `count` requests of `size` bytes to `host`, wait `timeout` ms for each answer, and hand
    over the results.
    """
    times = []
    state = "Error_CannotResolveHostName"
    try:
        address = agent.resolver.lookup(host, 0) if host else None
        if address:
            state = "Error_Internal"
            await _ping(address, count, timeout, size, dscp, times)
            state = "Complete"
    except (OSError, MemoryError):
        pass  # `state` says how far it came
    agent.log("I", "model", "ping state={} answers={} of={}".format(state, len(times), count))
    diagnosed(
        agent,
        {
            owner + "DiagnosticsState": state,
            owner + "SuccessCount": str(len(times)),
            owner + "FailureCount": str(count - len(times) if state == "Complete" else 0),
            owner + "AverageResponseTime": str(sum(times) // len(times) if times else 0),
            owner + "MinimumResponseTime": str(min(times) if times else 0),
            owner + "MaximumResponseTime": str(max(times) if times else 0),
        },
    )


async def _ping(address, count, timeout, size, dscp, times):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, _ICMP)
    try:
        sock.setblocking(False)
        if dscp:
            sock.setsockopt(0, 1, dscp << 2)  # IP_TOS of IPPROTO_IP
        packet = bytearray(_HEADER + size)  # zeros: the checksum is that of the header
        packet[0] = _ECHO
        packet[4:6] = os.urandom(2)
        for number in range(count):
            if number:
                await asyncio.sleep_ms(_PAUSE)
            packet[6:8] = number.to_bytes(2, "big")
            packet[2:4] = bytes(2)
            total = _ECHO * 256
            for at in (4, 6):
                total += packet[at] * 256 + packet[at + 1]
            packet[2:4] = (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
            sent = ticks_ms()
            try:
                sock.sendto(packet, address)
                if await _answered(sock, packet, sent, timeout):
                    times.append(ticks_diff(ticks_ms(), sent))
            except OSError:
                continue  # no way there, or no buffer: one that failed
    finally:
        forget(sock)
        sock.close()


async def _answered(sock, packet, sent, timeout):
    while True:
        left = timeout - ticks_diff(ticks_ms(), sent)
        if left <= 0:
            return False
        try:
            await asyncio.wait_for_ms(readable(sock), left)
        except asyncio.TimeoutError:
            return False
        answer = sock.recv(_IP_MAX + len(packet))
        # All ICMP of this host comes here, the IP header before it.
        at = (answer[0] & 15) * 4 if answer else 0
        if (
            len(answer) >= at + _HEADER
            and answer[at] == 0
            and answer[at + 4 : at + 8] == packet[4:8]
        ):
            return True
