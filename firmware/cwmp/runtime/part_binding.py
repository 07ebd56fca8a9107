"""The health of the binding for the ACS, as an object of the vendor's own: TR-181 has none."""

from .slices import borrow

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


def bind(agent):
    """See `parts`. The values are made by a module of its own, when somebody asks."""

    def getter(which):
        return lambda: borrow("runtime.binding_values").value(agent, which)

    get = {"b{}".format(which): getter(which) for which in range(8)}
    return (_OBJECT.format(agent.site["device"]["oui"]),), get, {}
