"""The memory of Connection Requests (`freshness`) as it lies on flash (UCR-24)."""

from array import array

from . import freshness as memory
from .freshness import remember


def snapshot(freshness):
    """Return the record of a Freshness: {"ts": digits, "ids": [digits, ...]}, the last id at the
    end.
    """
    state = freshness.state
    if not state[0]:
        return {"ts": "", "ids": []}
    ids = []
    for slot in range(state[memory.COUNT]):
        at = memory.ID + slot * memory.DIGITS
        ids.append(state[at : at + state[memory.LENGTHS + slot]].decode() or "0")
    return {"ts": state[1 : state[0]].decode() or "0", "ids": ids}


def restore(freshness, record):
    """Take back a snapshot; anything that is none leaves the memory empty."""
    freshness.clear()
    try:
        ts = record["ts"].encode()
        for digits in record["ids"][-memory.IDS :]:
            digits = digits.encode()
            if (
                (ts + digits).isdigit()
                and 0 < len(ts) <= memory.DIGITS
                and 0 < len(digits) <= memory.DIGITS
            ):
                remember(
                    ts + digits,
                    array("H", (0, len(ts), len(ts), len(ts) + len(digits))),
                    freshness.state,
                )
    except (TypeError, KeyError, AttributeError):
        freshness.clear()
    freshness.dirty = False
