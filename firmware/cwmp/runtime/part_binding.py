"""The health of the binding for the ACS, as an object of the vendor's own: TR-181 has none.
Borrowed for its text, and for one value at a time.
"""

_OBJECT = """Device.X_{}_Binding.
LastAnswerAge D i @binding.0
KeepAlivePeriod D u @binding.1
PeriodSource D s @binding.2
Changes D u @binding.3
Failures D u @binding.4
Losses D u @binding.5
RoundTrips D s @binding.6
History D s1024 @binding.7
"""


def texts(agent):
    """See `parts`."""
    return (_OBJECT.format(agent.site["device"]["oui"]),)


def value(agent, key):
    """Return a value; seconds and milliseconds."""
    b = agent.binding
    now = agent.now()
    which = int(key)
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
