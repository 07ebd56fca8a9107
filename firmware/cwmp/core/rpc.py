"""What the ACS can ask: per method a collector of its arguments and a handler (CWMP-50 to 56).

A handler gets the session and the collected arguments; it checks everything, raises `CwmpFault`,
or returns what `soap.Message` wants: a generator function and its arguments, so that a long answer
is written while it is sent. Optional methods live in modules of their own that call `register`.
"""

from micropython import const

from ..wire.soap import array_head, escape, parameter_value
from .fault import CwmpFault

_MAX_ITEMS = const(128)  # names or parameters of one request
_MAX_FIELDS = const(16)
_KEY = const(32)
_NAME = const(256)

METHODS = {}  # method: (makes a collector, or None; handler)


def register(method, make, handler):
    """`make()`: a new collector, see `EnvelopeReader`; None for a method without arguments."""
    METHODS[method] = (make, handler)


def collector(method):
    """-> a new collector for the arguments of `method`, or None: nothing to collect."""
    entry = METHODS.get(method)
    return entry[0]() if entry and entry[0] else None


def call(session, method, arguments):
    """-> (generator function, *arguments) of the response; CwmpFault."""
    entry = METHODS.get(method)
    if entry is None:
        raise CwmpFault(9000)
    return entry[1](session, arguments)


class Fields:
    """Arguments that are single values."""

    def __init__(self):
        self._fields = {}

    def leaf(self, parent, local, text, xsi_type):
        if len(self._fields) < _MAX_FIELDS:
            self._fields[local] = text

    def end(self, local):
        pass

    def text(self, name, limit):
        """-> str; CwmpFault 9003 when it is missing or longer than `limit`."""
        text = self._fields.get(name)
        if text is None:
            raise CwmpFault(9003, name + " is missing")
        if len(text) > limit:
            raise CwmpFault(9003, f"{name} is longer than {limit}")
        return text

    def boolean(self, name):
        text = self.text(name, _KEY).strip()
        if text not in ("0", "1", "false", "true"):
            raise CwmpFault(9003, name + " is not a boolean")
        return text in ("1", "true")


class _List:
    # Bounded; what does not fit or is malformed is remembered as the fault of the whole call.

    def __init__(self):
        self.items = []
        self.fault = None

    def add(self, item):
        if len(self.items) < _MAX_ITEMS:
            self.items.append(item)
        else:
            self.fault = CwmpFault(9004)

    def checked(self):
        """-> the items; CwmpFault."""
        if self.fault:
            raise self.fault
        return self.items

    def end(self, local):
        pass


class Names(_List):
    """ParameterNames."""

    def leaf(self, parent, local, text, xsi_type):
        if parent == "ParameterNames":
            self.add(text)


class ParameterValues(_List):
    """A list of (name, text, xsi type or None), and the ParameterKey."""

    def __init__(self):
        super().__init__()
        self.parameter_key = None
        self._name = self._value = self._type = None

    def leaf(self, parent, local, text, xsi_type):
        if local == "Name":
            self._name = text
        elif local == "Value":
            self._value = text
            self._type = xsi_type or None
        elif local == "ParameterKey":
            self.parameter_key = text

    def end(self, local):
        if local == "ParameterList":
            return
        if self._name is None or self._value is None:
            self.fault = CwmpFault(9003, "ParameterValueStruct malformed")
        else:
            self.add((self._name, self._value, self._type))
        self._name = self._value = self._type = None


class ParameterAttributes(_List):
    """A list of (path, notification or None, access list or None)."""

    def __init__(self):
        super().__init__()
        self._fields = Fields()
        self._access = []

    def leaf(self, parent, local, text, xsi_type):
        if parent != "AccessList":
            self._fields.leaf(parent, local, text, xsi_type)
        elif len(self._access) < _MAX_FIELDS:
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
            self.add((fields.text("Name", _NAME), notification, access))
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


def _list(tag, texts):
    yield array_head(tag, "xsd:string", len(texts))
    for text in texts:
        yield b"<string>"
        yield escape(text)
        yield b"</string>"
    yield (f"</{tag}>").encode()


def _empty_response(method):
    yield (f"<cwmp:{method}Response></cwmp:{method}Response>").encode()


def _status_response(method, status):
    text = "<cwmp:%sResponse><Status>%d</Status></cwmp:%sResponse>"
    yield (text % (method, status, method)).encode()


# GetRPCMethods


def _get_rpc_methods(session, arguments):
    return (_methods,)


def _methods():
    yield b"<cwmp:GetRPCMethodsResponse>"
    yield from _list("MethodList", sorted(METHODS))
    yield b"</cwmp:GetRPCMethodsResponse>"


# SetParameterValues, GetParameterValues, GetParameterNames


def _set_parameter_values(session, arguments):
    items = arguments.checked()
    if arguments.parameter_key is None:
        raise CwmpFault(9003, "ParameterKey is missing")
    if len(arguments.parameter_key) > _KEY:
        raise CwmpFault(9003, f"ParameterKey is longer than {_KEY}")
    status = session.model.set(items, arguments.parameter_key)
    return _status_response, "SetParameterValues", status


def _count(model, paths):
    # Raises the fault of a path before the first byte of an answer is written.
    count = 0
    for path in paths:
        for _ in model.expand(path):
            count += 1
    return count


def _get_parameter_values(session, arguments):
    paths = arguments.checked()
    return _values, session.model, paths, _count(session.model, paths)


def _values(model, paths, count):
    yield b"<cwmp:GetParameterValuesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterValueStruct", count)
    for path in paths:
        for name in model.expand(path):
            text, xsd_type = model.get(name)
            yield parameter_value(name, text, xsd_type)
    yield b"</ParameterList></cwmp:GetParameterValuesResponse>"


def _get_parameter_names(session, arguments):
    path = arguments.text("ParameterPath", _NAME)
    next_level = arguments.boolean("NextLevel")
    count = 0
    for _ in session.model.children(path, next_level):
        count += 1
    return _names, session.model, path, next_level, count


def _names(model, path, next_level, count):
    yield b"<cwmp:GetParameterNamesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterInfoStruct", count)
    for name, writable in model.children(path, next_level):
        yield b"<ParameterInfoStruct><Name>"
        yield escape(name)
        yield b"</Name><Writable>1" if writable else b"</Name><Writable>0"
        yield b"</Writable></ParameterInfoStruct>"
    yield b"</ParameterList></cwmp:GetParameterNamesResponse>"


# SetParameterAttributes, GetParameterAttributes


def _set_parameter_attributes(session, arguments):
    session.model.set_attributes(arguments.checked())
    return _empty_response, "SetParameterAttributes"


def _get_parameter_attributes(session, arguments):
    paths = arguments.checked()
    return _attributes, session.model, paths, _count(session.model, paths)


def _attributes(model, paths, count):
    yield b"<cwmp:GetParameterAttributesResponse>"
    yield array_head("ParameterList", "cwmp:ParameterAttributeStruct", count)
    for path in paths:
        for name in model.expand(path):
            notification, access_list = model.attributes(name)
            yield b"<ParameterAttributeStruct><Name>"
            yield escape(name)
            yield f"</Name><Notification>{notification}</Notification>".encode()
            yield from _list("AccessList", access_list)
            yield b"</ParameterAttributeStruct>"
    yield b"</ParameterList></cwmp:GetParameterAttributesResponse>"


# AddObject, DeleteObject: the model has no table that the ACS may change (CWMP-55)


def _change_object(session, arguments):
    path = arguments.text("ObjectName", _NAME)
    arguments.text("ParameterKey", _KEY)
    if not path or path[-1] != ".":
        raise CwmpFault(9005)
    session.model.children(path, True)
    raise CwmpFault(9001)


# Reboot, FactoryReset: answered now, done after the session (CWMP-56, CWMP-23)


def _reboot(session, arguments):
    session.reboot = arguments.text("CommandKey", _KEY)
    return _empty_response, "Reboot"


def _factory_reset(session, arguments):
    session.factory_reset = True
    return _empty_response, "FactoryReset"


register("GetRPCMethods", None, _get_rpc_methods)
register("SetParameterValues", ParameterValues, _set_parameter_values)
register("GetParameterValues", Names, _get_parameter_values)
register("GetParameterNames", Fields, _get_parameter_names)
register("SetParameterAttributes", ParameterAttributes, _set_parameter_attributes)
register("GetParameterAttributes", Names, _get_parameter_attributes)
register("AddObject", Fields, _change_object)
register("DeleteObject", Fields, _change_object)
register("Reboot", Fields, _reboot)
register("FactoryReset", None, _factory_reset)
