"""Lets MicroPython's heap grow before it has to, and not into all that there is.

A heap that is full takes the largest free piece of an ESP32's memory, whole and for ever, and the
network, which shares that memory, has hardly any left. So it gets what that piece has beyond a
reserve while the reserve is lent to the stack of a thread. Wi-Fi takes its buffers first, and the
smaller pieces go with them; with another network these stay with the system, which lives on them
when the heap had to take the reserve after all. Only with TLS, when there is no large remainder
any more, the heap gets one of them.
"""

import _thread
import gc
import time

import esp32

_RESERVE = 47104  # bytes that stay with the system in one piece
# Beside the buffers of Wi-Fi: 6 kB to join a network, and what is under way. With TLS no more, or
# the heap had to take it all; the next largest piece, of 20 kB, is there, too.
_WITH_WLAN = 24576
_WITH_TLS = 28672  # with an ACS that has https: a connection, beside the network in small pieces
_LEAST = 4096  # a piece of less is not worth a part of the heap
_GARBAGE = 4096  # bytes until it is collected: it lies between things that stay
_STEP = 256
_STEPS = 512  # more than an ESP32 without PSRAM has


def begin(driver, tls):
    """Let the heap have what the system does not need, before the agent is loaded: `driver` is
    that of the network, `tls` whether the site's ACS has https. See `grow`.
    """
    gc.threshold(_GARBAGE)
    if driver != "wlan":
        return grow(_WITH_TLS if tls else _RESERVE)
    import network  # noqa: PLC0415

    try:
        network.WLAN(network.STA_IF).active(True)
    except OSError:
        pass  # it will be tried again, and said
    return grow(_WITH_WLAN)


def grow(reserve=_WITH_TLS):
    """Let the heap have what the largest piece has beyond `reserve` bytes; the usual one is for
    an ACS that turns out to have https. A part of the heap that is empty is given back: returns an
    object in the new one, to be kept; None: there was nothing to take.
    """
    gc.collect()
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
            if size >= _LEAST:
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
