"""Lets MicroPython's heap grow before it has to, and not into all that there is.

A heap that is full takes the largest free piece of an ESP32's memory, whole and for ever, and the
network, which shares that memory, has hardly any left: nothing is sent any more. So a part of the
piece is lent to a thread's stack while the heap takes the rest.
"""

import _thread
import gc
import time

import esp32

_RESERVE = 36864  # bytes that stay with the system
_WORTH = 45000  # a largest piece of less is not divided
_STEP = 512
_STEPS = 256  # more than an ESP32 without PSRAM has


def _largest():
    return max([one[2] for one in esp32.idf_heap_info(esp32.HEAP_DATA)])


def grow():
    """Let the heap have the largest piece but for the reserve. A part of the heap that is empty is
    given back: returns an object in the new part, to be kept; None: there was nothing to divide.
    """
    gc.collect()
    if _largest() < _WORTH:
        return None
    lock = _thread.allocate_lock()
    lock.acquire()
    usual = _thread.stack_size(_RESERVE)
    pin = None
    held = [b""] * _STEPS  # emptied at the end: a forgotten word may still lead to it
    try:
        _thread.start_new_thread(_wait, (lock,))
        left = _largest()
        for at in range(_STEPS):
            held[at] = bytes(_STEP)
            if _largest() != left:  # this one did not fit: it is the first of the new part
                pin = held[at]
                break
    except (OSError, MemoryError, RuntimeError):
        pass  # what could not be had is not needed yet
    for at in range(_STEPS):
        held[at] = b""
    _thread.stack_size(usual)
    lock.release()
    time.sleep_ms(50)  # a task of the system gives the stack back
    gc.collect()
    return pin


def _wait(lock):
    lock.acquire()
