"""The status LED. Loaded only where board.json names its pin."""

import asyncio

import machine

from ..core import nat_binding

# Milliseconds on, off, on, ...
NO_LINK = (100, 900)
LINK = (100, 150, 100, 650)  # an address, but nobody can ring
BOUND = (1950, 50)  # never quite still: a board that hangs is
SESSION = (60, 60)
SAFE_MODE = (100, 150, 100, 150, 100, 1400)


def of_agent(agent):
    """Return the pattern that says how `agent` is."""
    if agent.udp is None:
        return NO_LINK
    if agent.in_session:
        return SESSION
    binding = agent.binding
    if binding.state == nat_binding.OFF:
        return BOUND if binding.reported[0] else LINK
    return BOUND if binding.mapped is not None and not binding.failures else LINK


def of_safe_mode(safe_mode):
    return SAFE_MODE


async def show(pins, pattern, subject):
    """Blink for ever as `pattern(subject)` says; `pins` is that part of board.json."""
    pin = machine.Pin(pins["led"], machine.Pin.OUT)
    active = pins.get("led_active", 1)
    while True:
        level = active
        for ms in pattern(subject):
            pin.value(level)
            level = 1 - level
            await asyncio.sleep_ms(ms)
