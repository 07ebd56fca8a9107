"""The record of the data model: what goes to flash, before it is true in memory."""

from .fault import CwmpFault


def record(model, values, attributes):
    """Return the record for the store, see `DataModel.snapshot`."""
    seen = {}
    for name, flags in model.below(""):
        if "F" in flags and "W" not in flags:
            seen[name] = model.text(name, model.find(name))
    return {"values": values, "attributes": attributes, "seen": seen}


def keep(model, values, attributes):
    """Have both on flash, then in `model`; CwmpFault 9002 when flash failed: nothing changed."""
    if model.persist:
        try:
            model.persist(record(model, values, attributes))
        except OSError as error:
            model.log("E", "store", f'failed what=params error="{error}"')
            raise CwmpFault(9002, "Not stored")
    model.values = values
    model.kept_attributes = attributes
