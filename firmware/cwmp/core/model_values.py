"""Writes to the data model, all or nothing (CWMP-51, CWMP-52). Loaded when `model_checks` has let
them pass.
"""

from .cwmp_parse import parse
from .cwmp_types import to_native
from .fault import CwmpFault
from .model_record import keep

_PARAMETER_KEY = "Device.ManagementServer.ParameterKey"


def commit(model, items, by_acs, parameter_key=None):
    """Have the checked `items` (name, text, ...) and the key on flash and in effect, or nothing of
    it: CwmpFault 9003 with the 9007 of a setter that refuses, or 9002. Returns the Status
    (CWMP-51).
    """
    if parameter_key == model.value(_PARAMETER_KEY):
        parameter_key = None
    values = model.values.copy()
    changed = bytearray()  # one for each item
    before = []  # texts of those that were handed over
    status = 0
    try:
        for name, text, _ in items:
            row = model.find(name)
            text = parse(row[0], text)
            kind = row[3][0]
            news = kind == "~" or text != model.text(name, row)
            if kind == "@":
                before.append(model.text(name, row))
                if news:
                    _hand_over(model, name, row, text)
                if "K" in row[1]:
                    values[name] = text
            elif news and kind != "~":
                status |= "L" in row[1]
                _put(model, values, name, row, text)
            changed.append(news)
        if parameter_key is not None:
            put_key(model, values, parameter_key)
        if values != model.values:
            keep(model, values, model.kept_attributes)
    except CwmpFault:
        _take_back(model, items, before)
        raise
    for last in (False, True):  # a request for a test stands behind what it is to be done with
        at = 0
        for name, text, _ in items:
            if changed[at] and name.endswith(".DiagnosticsState") == last:
                row = model.find(name)
                if row[3][0] == "~":
                    model.volatile[name] = parse(row[0], text)
                if model.on_change:
                    model.on_change(name, by_acs)
            at += 1
    if parameter_key is not None and model.on_change:
        model.on_change(_PARAMETER_KEY, by_acs)
    return int(status)


def put_key(model, values, parameter_key):
    """Put the ParameterKey into `values` (CWMP-52)."""
    _put(model, values, _PARAMETER_KEY, model.find(_PARAMETER_KEY), parameter_key)


def _put(model, values, name, row, text):
    # Only what is not the default is kept.
    if text == model.text(None, row):
        values.pop(name, None)
    else:
        values[name] = text


def hand_over(model, row, text):
    """Give the canonical `text` to the setter of a parameter."""
    setter = model.setters[row[3][1:]]
    value = to_native(row[0], text)
    if row[4]:
        setter(row[4], value)
    else:
        setter(value)


def _hand_over(model, name, row, text):
    try:
        hand_over(model, row, text)
    except ValueError as error:
        raise CwmpFault(9003, None, ((name, 9007, str(error)),))
    except Exception as error:  # noqa: BLE001 - whatever the hardware says
        model.log("E", "model", 'setter={} error="{}"'.format(row[3][1:], repr(error)))
        raise CwmpFault(9003, None, ((name, 9002, "Not set"),))


def _take_back(model, items, before):
    # What was handed over gets its former value.
    for name, _, _ in items:
        if not before:
            break
        row = model.find(name)
        if row[3][0] == "@":
            text = before.pop(0)
            try:
                hand_over(model, row, text)
            except Exception as error:  # noqa: BLE001
                model.log("E", "model", 'setter={} error="{}"'.format(row[3][1:], repr(error)))
