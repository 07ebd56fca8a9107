"""What a boot does with the data model, once: the checks of declaration and record."""

from .cwmp_parse import parse
from .data_model import part
from .fault import CwmpFault
from .model_attributes import check as check_attributes
from .model_attributes import merge
from .model_record import keep
from .model_values import checked


def check(model):
    """ValueError or KeyError: a default is none of its type, or a getter is missing. It shows at
    boot, not at an ACS.
    """
    for name, flags in model.below(""):
        if flags:
            row = model.find(name)
            if row[3][0] != "@":
                parse(row[0], model.text(None, row))
            elif row[3][1:] not in model.getters:
                raise ValueError("no getter " + row[3])


def restore(model, record):
    """See `DataModel.restore`."""
    model.values = {}
    model.kept_attributes = {}
    dropped = 0
    for name, text in part(record, "values").items():
        try:
            flags = model.find(name)[1]
            if "W" in flags:
                text = checked(model, name, text)
            elif "K" not in flags or not isinstance(text, str):
                raise CwmpFault(9008)
            model.values[name] = text
        except (CwmpFault, AttributeError, TypeError):
            model.log("W", "store", "dropped value=" + name)
            dropped += 1
    for name, kept in part(record, "attributes").items():
        try:
            check_attributes(kept[0], kept[1])
            merge(model, name, kept[0], kept[1])
        except (CwmpFault, LookupError, TypeError):
            model.log("W", "store", "dropped attribute=" + name)
            dropped += 1
    updated = []
    for name, text in part(record, "seen").items():
        try:
            if model.get(name)[0] != text:
                updated.append(name)
        except CwmpFault:
            continue
    if dropped:
        try:
            # The next one who takes the record does not check it.
            keep(model, model.values, model.kept_attributes)
        except CwmpFault:
            pass  # logged; a flash that fails is found again by the next write
    return tuple(updated)
