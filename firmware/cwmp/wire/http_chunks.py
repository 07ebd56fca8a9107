"""The lines of a chunked body (CWMP-03). Loaded when the first one comes."""

from micropython import const

from .http_error import HttpError

_DIGITS_MAX = const(8)  # of a chunk size


def lines(reader):
    """Return what takes the lines around the chunks that `reader`, a ResponseReader, reads."""
    budget = reader.budget
    chunk = 0  # size of the one that was read last, None once the last one came

    def take(line):
        nonlocal chunk, budget
        if chunk is None:  # a trailer, and the blank line that ends it
            reader.complete = not line
            return
        if chunk:
            chunk = 0
            digits = line
            good = not line
        else:
            digits = line.split(b";", 1)[0].rstrip(b" \t")
            good = 0 < len(digits) <= _DIGITS_MAX
            for digit in digits:
                good = good and digit in b"0123456789abcdefABCDEF"
        if not good:
            raise HttpError("bad chunk")
        # Chunks are free, only what is added to them is paid from the head's budget.
        budget -= len(line) - len(digits)
        reader.budget = budget
        if digits:
            chunk = reader.left = int(digits, 16)
            reader.announce(chunk)
            chunk = chunk or None

    return take
