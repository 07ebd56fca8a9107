"""The health of the binding for the ACS, as an object of the vendor's own: TR-181 has none.
Borrowed: only the text that is made here stays. Its values are those of `binding_values`.
"""

_OBJECT = """Device.X_{}_Binding.
LastAnswerAge D i @b0
KeepAlivePeriod D u @b1
PeriodSource D s @b2
Changes D u @b3
Failures D u @b4
Losses D u @b5
RoundTrips D s @b6
History D s1024 @b7
"""


def text(agent):
    """Return the text for the model."""
    return _OBJECT.format(agent.site["device"]["oui"])
