"""SetParameterAttributes (CWMP-60, CWMP-61)."""

from micropython import const

from ..wire.soap import own
from .fault import CwmpFault
from .rpc_fields import Fields, List
from .rpc_parts import response

_MAX_ACCESS = const(16)


class ParameterAttributes(List):
    """A list of (path, notification or None, access list or None)."""

    def __init__(self):
        super().__init__()
        self._fields = Fields()
        self._access = []

    def leaf(self, parent, local, text, xsi_type):
        if parent != "AccessList":
            self._fields.leaf(parent, local, text, xsi_type)
        elif len(self._access) < _MAX_ACCESS:
            self._access.append(text)
        else:
            self.fault = CwmpFault(9004)

    def end(self, local):
        if local in ("ParameterList", "AccessList"):
            return
        fields, access = self._fields, self._access
        self._fields = Fields()
        self._access = []
        try:
            notification = None
            if fields.boolean("NotificationChange"):
                notification = _unsigned("Notification", fields)
            if not fields.boolean("AccessListChange"):
                access = None
            self.add((own(fields.text("Name")), notification, access))
        except CwmpFault as fault:
            self.fault = fault


def _unsigned(name, fields):
    text = fields.text(name, 10).strip()
    for digit in text:
        if digit not in "0123456789":
            text = ""
    if not text:
        raise CwmpFault(9003, name + " is not a number")
    return int(text)


def _set(session, arguments):
    from .model_attributes import set_attributes  # noqa: PLC0415 - nobody reads with it

    set_attributes(session.model, arguments.checked())
    return response, "SetParameterAttributes"


SERVED = {"SetParameterAttributes": (ParameterAttributes, _set)}
