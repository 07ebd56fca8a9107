"""What a `Schedule` has before it, in words, for the console."""

from . import schedule as reasons

_WORDS = (
    (reasons.RING, "connection request"),
    (reasons.BOOT, "boot"),
    (reasons.PERIODIC, "periodic inform"),
    (reasons.ACTIVE_CHANGE, "value change"),
    (reasons.SCHEDULED, "scheduled inform"),
    (reasons.TRANSFER, "transfer complete"),
    (reasons.OTHER, "request"),
    (reasons.RETRY, "session that broke off"),
)


def why(schedule, now):
    """Return in plain words what is going on."""
    carried, wanted, retries = _asked(schedule)
    if carried is not None:
        words = _words(carried)
        return "session running" + (" for " + words if words else "")
    wait = schedule.deadline(now)
    if wait is None:
        return "idle"
    words = _words(wanted)
    if not wait:
        return "starting a session for " + words
    text = "{} s until a session for {}".format((wait + 999) // 1000, words)
    if retries is not None:
        return text + ", retry {}".format(retries)
    if wanted == reasons.RING:  # it waits for nothing else
        return text + ", over the limit"
    return text


def _asked(schedule):
    # -> reasons of the session that runs or None, reasons that wait, retries so far or None while
    # none is due
    return (
        schedule._carried if schedule.running else None,
        schedule._wanted | schedule._held | (reasons.RING if schedule._owed else 0),
        None if schedule._retry_at is None else schedule._failures,
    )


def _words(asked):
    return ", ".join([word for bit, word in _WORDS if asked & bit])
