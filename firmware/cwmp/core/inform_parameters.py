"""ManagementServer.InformParameter: what an ACS wants to find in an Inform besides the forced
parameters (CWMP-33). Loaded where there are such rows.
"""

from ..wire.soap import own
from .device2 import INFORM_TABLE
from .events import VALUE_CHANGE, known
from .fault import CwmpFault


def wanted(model, listed):
    """Yield the names that an Inform with the events [(code, key)] has to include."""
    for number in model.rows[INFORM_TABLE][1:]:
        row = f"{INFORM_TABLE}{number}."
        codes = model.value(row + "EventList")
        codes = [code.strip() for code in codes.split(",")] if codes else None
        if not model.value(row + "Enable"):
            continue
        for code, _ in listed:
            if code != VALUE_CHANGE and (codes is None or code in codes):
                yield from _matching(model, model.value(row + "ParameterName"))
                break


def check(model, flags, text):
    """Raise the fault of a ParameterName (flag N) or EventList (flag E) that no row may have."""
    if "E" in flags:
        for code in text.split(",") if text else ():
            code = code.strip()
            if code == VALUE_CHANGE or not known(code):
                raise CwmpFault(9007, "Not an event that can be listed")
    elif text and (text[-1] == "." or text[0] in ".*" or _is_forced(model, text)):
        raise CwmpFault(9007, "A forced parameter, or no complete name")


def _is_forced(model, pattern):
    for name in _matching(model, pattern):
        if "I" in model.find(name)[1]:
            return True
    return False


def _matching(model, pattern):
    # Names of parameters; "*" stands for any instance number.
    pattern = own(pattern)
    star = pattern.find("*")
    try:
        if star < 0:
            yield from model.expand(pattern)
            return
        parts = pattern.split(".")
        for name in model.expand(pattern[:star]):
            found = name.split(".")
            if len(found) == len(parts):
                for at in range(len(parts)):
                    if parts[at] != found[at] and not (parts[at] == "*" and found[at].isdigit()):
                        break
                else:
                    yield name
    except CwmpFault:
        return  # nothing of that name now: not included
