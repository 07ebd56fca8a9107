"""GetParameterValues, SetParameterValues."""

from micropython import const

from ..wire.soap import array_head, own, parameter_value
from .fault import CwmpFault
from .rpc_parts import Names, Packed, checked, response

_KEY = const(32)


class ParameterValues(Packed):
    """A list of (name, text, xsi type or ""), and the ParameterKey."""

    def __init__(self):
        super().__init__(3)
        self.parameter_key = None
        self._name = self._value = self._type = None

    def leaf(self, parent, local, text, xsi_type):
        if local == "Name":
            self._name = own(text)
        elif local == "Value":
            self._value = text
            self._type = xsi_type
        elif local == "ParameterKey":
            self.parameter_key = text

    def end(self, local):
        if local == "ParameterList":
            return
        if self._name is None or self._value is None:
            self.fault = CwmpFault(9003, "ParameterValueStruct malformed")
        else:
            self.add(self._name, self._value, self._type)
        self._name = self._value = self._type = None


def _set(session, arguments):
    items = arguments.checked()
    key = checked("ParameterKey", arguments.parameter_key, _KEY)
    from .model_checks import check_all  # noqa: PLC0415 - nobody reads with it

    check_all(session.model, items, key)
    if session.unload:
        session.unload()
    from .model_values import commit  # noqa: PLC0415 - a slice

    status = commit(session.model, items, True, key)
    return response, "SetParameterValues", f"<Status>{status}</Status>"


def _get(session, arguments):
    return (_values, session.model) + arguments.found(session.model)


def _values(model, paths, count):
    yield b"<cwmp:GetParameterValuesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterValueStruct", count)
    for (path,) in paths:
        for name in model.expand(path):
            text, xsd_type = model.get(name)
            yield parameter_value(name, text, xsd_type)
    yield b"</ParameterList></cwmp:GetParameterValuesResponse>"


SERVED = {
    "GetParameterValues": (Names, _get),
    "SetParameterValues": (ParameterValues, _set),
}
