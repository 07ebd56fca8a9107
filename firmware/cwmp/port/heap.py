"""Lets MicroPython's heap grow before it has to, and not into all that there is.

A heap that is full takes the largest free piece of an ESP32's memory, whole and for ever, and the
network, which shares that memory, has hardly any left. So it gets what that piece has beyond a
reserve while the reserve is lent to the stack of a thread. The smaller pieces stay with the
system: on them the network lives when the heap had to take the reserve after all. Only with TLS,
when there is no large remainder any more, the heap gets one of them.
"""

import _thread
import gc
import time

import esp32

_RESERVE = 37888  # bytes that stay with the system in one piece
_WITH_TLS = 32768  # where the agent itself has TLS: its sessions need more of the heap
_LEAST = 4096  # a piece of less is not worth a part of the heap
_STEP = 256
_STEPS = 512  # more than an ESP32 without PSRAM has


def grow(tls=False):
    """Let the heap have what the system does not need: before anything else is loaded, and again
    when it is known that the ACS has https. A part of the heap that is empty is given back:
    returns an object in the new one, to be kept; None: there was nothing to take.
    """
    gc.collect()
    reserve = _WITH_TLS if tls else _RESERVE
    pin = None
    sizes = _sizes()
    if sizes[-1] < reserve + _LEAST:
        return None
    lock = _thread.allocate_lock()
    lock.acquire()
    usual = _thread.stack_size()
    held = [b""] * _STEPS  # emptied at the end: a forgotten word may still lead to it
    try:
        for size in (reserve, sizes[-2]):
            _thread.stack_size(size)
            _thread.start_new_thread(_wait, (lock,))
        left = _sizes()[-1]
        for at in range(_STEPS):
            held[at] = bytes(_STEP)
            if _sizes()[-1] != left:  # this one did not fit: it is the first of the new part
                pin = held[at]
                break
    except (OSError, MemoryError, RuntimeError):
        pass  # what could not be had is not needed yet
    for at in range(_STEPS):
        held[at] = b""
    _thread.stack_size(usual)
    lock.release()
    time.sleep_ms(50)  # a task of the system gives the stacks back
    gc.collect()
    return pin


def _sizes():
    return sorted([one[2] for one in esp32.idf_heap_info(esp32.HEAP_DATA)])


def _wait(lock):
    lock.acquire()
    lock.release()
