"""One test of echoes: IPPing or UDPEchoDiagnostics. Borrowed for it: where memory is scarce only
its task holds this module.
"""

import asyncio
from time import ticks_diff, ticks_us

from .poll import forget, readable
from .slices import borrow


async def run(agent, owner, kind, host, count, timeout, size, dscp, port=0, pause=100):
    """Send `count` requests of `size` bytes to `host`, at least `pause` ms from one to the next,
    wait `timeout` ms for each answer, and hand over the results.

    `kind` is the module `ping` or `udp_echo`: `opened(address)` -> socket, `packet(size)` ->
    bytearray, `number(packet, n)`, `echoes(answer, packet)`, `LONGER`: bytes that an answer may
    have before it, `UNIT`: us that its times are counted in.
    """
    times = [0, 0, 0, 0]  # answers; us: sum, least, most
    results = {}
    state = "Error_CannotResolveHostName"
    try:
        address = agent.resolver.lookup(host, port) if host else None
        if address:
            state = "Error_Internal"
            if port:
                results[owner + "IPAddressUsed"] = agent.port.local_ip(address)
            await _test(kind, address, count, timeout, size, dscp, pause, times)
            state = "Complete"
    except (OSError, MemoryError):
        pass  # `state` says how far it came
    answers, total, least, most = times
    agent.log(
        "I",
        "model",
        "{} state={} answers={} of={}".format(kind.NAME, state, answers, count),
    )
    for name, value in (
        ("DiagnosticsState", state),
        ("SuccessCount", answers),
        ("FailureCount", count - answers if state == "Complete" else 0),
        ("AverageResponseTime", total // answers // kind.UNIT if answers else 0),
        ("MinimumResponseTime", least // kind.UNIT),
        ("MaximumResponseTime", most // kind.UNIT),
    ):
        results[owner + name] = str(value)
    # Only now: a slice that was dropped meanwhile is an empty one.
    borrow("runtime.diagnostics").diagnosed(agent, results)


async def _test(kind, address, count, timeout, size, dscp, pause, times):
    sock = kind.opened(address)
    try:
        sock.setblocking(False)
        if dscp:
            sock.setsockopt(0, 1, dscp << 2)  # IP_TOS of IPPROTO_IP
        packet = kind.packet(size)
        sent = 0
        for number in range(count):
            if number:
                await asyncio.sleep_ms(max(0, pause - ticks_diff(ticks_us(), sent) // 1000))
            kind.number(packet, number)
            sent = ticks_us()
            try:
                sock.sendto(packet, address)
                took = await _answered(kind, sock, packet, sent, timeout * 1000)
            except OSError:
                continue  # no way there, nobody there, or no buffer: one that failed
            if took >= 0:
                times[2] = min(times[2], took) if times[0] else took
                times[3] = max(times[3], took)
                times[0] += 1
                times[1] += took
    finally:
        forget(sock)
        sock.close()


async def _answered(kind, sock, packet, sent, timeout):
    # Returns how many us it took, -1: no answer within the timeout.
    while True:
        left = timeout - ticks_diff(ticks_us(), sent)
        if left <= 0:
            return -1
        try:
            await asyncio.wait_for_ms(readable(sock), left // 1000 + 1)
        except asyncio.TimeoutError:
            return -1
        took = ticks_diff(ticks_us(), sent)
        if kind.echoes(sock.recv(kind.LONGER + len(packet)), packet):
            return took
