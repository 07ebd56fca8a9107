"""Lets MicroPython's heap grow before it has to, and not into all that there is.

A heap that is full takes the largest free piece of an ESP32's memory, whole and for ever, and the
network, which shares that memory, has hardly any left: nothing is sent any more, and TLS wants
pieces of 17 KB. So the heap gets what the largest piece has beyond a reserve, and the third and
later ones. The second stays with the system for what is small and comes and goes, which would
divide the reserve. Whatever the heap is not to have is lent to stacks of threads meanwhile.
"""

import _thread
import gc
import time

import esp32

_RESERVE = 47104  # bytes that stay with the system in one piece
_WITH_TLS = 40960  # where the agent itself has TLS: its sessions need more of both
_LEAST = 2048  # for the system meanwhile
_SMALL = 4096  # a piece of less is not worth a part of the heap
_STEP = 256
_STEPS = 512  # more than an ESP32 without PSRAM has


def grow(tls=False):
    """Let the heap have what the system does not need: before anything else is loaded, and again
    when it is known that the ACS has https. A part of the heap that is empty is given back:
    returns a list of one object in each, to be kept.
    """
    pins = []
    reserve = _WITH_TLS if tls else _RESERVE
    sizes = _sizes()
    if sizes[-1] > reserve:
        _take(pins, (sizes[-1] - _LEAST, sizes[-2]))
        _take(pins, (reserve, sizes[-2]))
    return pins


def _sizes():
    return sorted([one[2] for one in esp32.idf_heap_info(esp32.HEAP_DATA)])


def _take(pins, lent):
    # Lets the heap take all pieces that are worth it while those of the sizes `lent` are away.
    gc.collect()
    lock = _thread.allocate_lock()
    lock.acquire()
    usual = _thread.stack_size()
    held = [b""] * _STEPS  # emptied at the end: a forgotten word may still lead to it
    try:
        for size in lent:
            _thread.stack_size(size)
            _thread.start_new_thread(_wait, (lock,))
        left = _sizes()[-1]
        for at in range(_STEPS):
            if left < _SMALL:
                break
            held[at] = bytes(_STEP)
            now = _sizes()[-1]
            if now != left:  # this one did not fit: it is the first of a new part
                pins.append(held[at])
                left = now
    except (OSError, MemoryError, RuntimeError):
        pass  # what could not be had is not needed yet
    for at in range(_STEPS):
        held[at] = b""
    _thread.stack_size(usual)
    lock.release()
    time.sleep_ms(50)  # a task of the system gives the stack back
    gc.collect()


def _wait(lock):
    lock.acquire()
    lock.release()
