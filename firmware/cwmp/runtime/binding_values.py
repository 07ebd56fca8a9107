"""The parameters of `runtime/part_binding.py`. Borrowed for one at a time."""


def value(agent, which):
    """Return a value by its place in that object; seconds and milliseconds."""
    b = agent.binding
    now = agent.now()
    if which == 0:
        return -1 if b.answered is None else (now - b.answered) // 1000
    if which == 1:
        return b.period
    if which == 2:  # STUN-51 to 53
        if b.lifetime is not None:
            return "discovered"
        return "minimum" if b.bounds else "fixed"
    if which == 3:
        return b.counts["changes"]
    if which == 4:
        return b.counts["failures"]
    if which == 5:  # in spite of what was discovered
        return b.counts["losses"]
    if which == 6:
        return ",".join([str(ms) for ms in b.round_trips])
    events = []
    for when, what, detail in b.history:
        if isinstance(detail, tuple):
            detail = "{}:{}".format(*detail)
        events.append("{} s ago {} {}".format((now - when) // 1000, what, detail))
    return "; ".join(events)
