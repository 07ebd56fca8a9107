"""Takes the record of the data model back when it was seen before. Loaded when a model is made."""


def recall(model, record):
    """Take back a record that `model_restore.restore` has seen since the boot."""
    model.values = part(record, "values")
    model.rows = part(record, "rows")
    model.kept_attributes = {}
    for name, kept in part(record, "attributes").items():
        model.kept_attributes[name] = (kept[0], tuple(kept[1]))


def part(record, key):
    """Return the dict that a record from flash has there, be it empty."""
    found = record.get(key) if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}
