"""The record of the data model: what goes to flash, before it is true in memory."""

from .fault import CwmpFault


def record(model, values, attributes, rows):
    """Return the record for the store: those, and what the forced read-only values are now."""
    seen = {}
    for name, flags in model.below(""):
        if "F" in flags and "W" not in flags:
            seen[name] = model.text(name, model.find(name))
    return {"values": values, "attributes": attributes, "rows": rows, "seen": seen}


def keep(model, values, attributes, rows=None):
    """Have all on flash, then in `model`; CwmpFault 9002 when flash failed: nothing changed.
    Without `rows` those of the model stay.
    """
    if rows is None:
        rows = model.rows
    if model.persist:
        try:
            model.persist(record(model, values, attributes, rows))
        except OSError as error:
            model.log("E", "store", f'failed what=params error="{error}"')
            raise CwmpFault(9002, "Not stored")
    model.values = values
    model.kept_attributes = attributes
    model.rows = rows
