"""P2 and P3 on the board: cost and garbage of one datagram of each kind, in units of one
HMAC-SHA1.

Prints `BENCH <name> <nanoseconds> <bytes>` for each kind, and `HEAP <before> <after>` around many
of each. Argument: how many datagrams the heap figure is taken over.
"""

import gc
import sys
import time

gc.threshold(32768 if sys.maxsize > 1 << 31 else 16384)  # as main.py has it

from cwmp.core import connection_request
from cwmp.core.connection_request import ConnectionRequestGate
from cwmp.wire.hmac_sha1 import HmacSha1

USER, PASSWORD = "cpe-user", "cr-password-16by"
ROUNDS = 80
REPEATS = 100
KINDS = ("accepted", "duplicate", "stale", "bad-signature", "garbage")


def sign(ts, number, un, cn):
    digest = HmacSha1(PASSWORD.encode()).digest((str(ts) + str(number) + un + cn).encode())
    return "".join(["{:02x}".format(byte) for byte in digest])


def request(ts, number, un=USER, forge=False):
    cn = "9f86d081884c7d65"
    sig = sign(ts, number, un, cn)
    if forge:
        sig = sig[:-1] + ("0" if sig[-1] != "0" else "1")
    query = "ts={}&id={}&un={}&cn={}&sig={}".format(ts, number, un, cn, sig)
    return (
        "GET http://203.0.113.45:54321?" + query + " HTTP/1.1\r\nHost: 203.0.113.45:54321\r\n\r\n"
    ).encode()


def garbage(size):
    return bytes([(i * 73 + 65) & 255 for i in range(size)])


def new_gate():
    gate = ConnectionRequestGate(lambda now: 1)
    gate.set_credentials(USER, PASSWORD)
    return gate


def run(gate, datagrams, want):
    """Return ns per datagram, of `datagrams` handed to `gate` one after another."""
    handle = gate.handle
    before = gate.counts[want]
    start = time.ticks_us()
    for _ in range(ROUNDS // len(datagrams)):
        for data in datagrams:
            handle(data, len(data), 0)
    spent = time.ticks_diff(time.ticks_us(), start)
    if gate.counts[want] - before != ROUNDS:
        raise RuntimeError("not every datagram was " + connection_request.name(want))
    return spent * 1000 // ROUNDS


def sets(first_ts):
    """Datagrams by kind; those to accept are ascending from `first_ts`."""
    old = request(first_ts - 1, 1)
    forged = request(first_ts + 10**6, 1077, forge=True)
    noise = garbage(160)
    return {
        "accepted": [request(first_ts + i, 1000 + i) for i in range(ROUNDS)],
        "stale": (old,),
        "bad-signature": (forged,),
        "garbage": (noise,),
    }


VERDICT = {
    "accepted": connection_request.ACCEPTED,
    "duplicate": connection_request.DUPLICATE,
    "stale": connection_request.STALE,
    "bad-signature": connection_request.BAD_SIGNATURE,
    "garbage": connection_request.MALFORMED,
}


def floor(hmac, text):
    digest = hmac.digest
    start = time.ticks_us()
    for _ in range(ROUNDS):
        digest(text)
    return time.ticks_diff(time.ticks_us(), start) * 1000 // ROUNDS


def allocated(function, *args):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    function(*args)
    spent = gc.mem_alloc() - before
    gc.enable()
    return spent


def main(heap_rounds):
    gate = new_gate()
    hmac = HmacSha1(PASSWORD.encode())
    text = (str(1700000000) + "1000" + USER + "9f86d081884c7d65").encode()
    ts = 1700000000
    best = {}
    for _ in range(REPEATS):
        kinds = sets(ts)
        ts += 1000
        last = kinds["accepted"][-1]
        kinds["duplicate"] = (last,)
        gc.collect()
        measured = [("hmac", floor(hmac, text))]
        for kind in KINDS:
            measured.append((kind, run(gate, kinds[kind], VERDICT[kind])))
        for kind, spent in measured:
            best[kind] = min(best.get(kind, spent), spent)
    for kind in ("hmac",) + KINDS:
        if kind == "hmac":
            size = allocated(hmac.digest, text)
        elif kind == "accepted":
            data = request(ts, 1999)
            gate.handle(request(ts - 1, 1998), len(data), 0)
            size = allocated(gate.handle, data, len(data), 0)
        elif kind == "duplicate":
            size = allocated(gate.handle, data, len(data), 0)
        else:
            one = kinds[kind][0]
            size = allocated(gate.handle, one, len(one), 0)
        print("BENCH", kind, best[kind], size)
    grow(gate, ts, heap_rounds)


def grow(gate, ts, rounds):
    """Print the heap in use before and after `rounds` datagrams of each kind."""
    noise = garbage(160)
    forged = request(ts + 10**6, 1077, forge=True)
    for pass_number in range(2):
        gc.collect()
        before = gc.mem_alloc()
        for i in range(rounds // 100 if pass_number else 10):
            data = request(ts + 1 + i + pass_number * 100, i)
            gate.handle(data, len(data), 0)
            for _ in range(100):
                gate.handle(data, len(data), 0)
                gate.handle(forged, len(forged), 0)
                gate.handle(noise, len(noise), 0)
        data = None
        gc.collect()
        after = gc.mem_alloc()
    print("HEAP", before, after)


main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
