"""A data model as the runtime builds it, for the unit tests: real declaration, real settings,
values on hand.
"""

from cwmp.core import (
    inform,
    model_attributes,
    model_checks,
    model_recall,
    model_record,
    model_restore,
    model_values,
    rpc_names,
)
from cwmp.core.data_model import DataModel
from cwmp.core.device2 import DEVICE2
from cwmp.core.settings import load

MS = "Device.ManagementServer."
INFO = "Device.DeviceInfo."


class Model(DataModel):
    """With what the modules beside the data model do to it as methods."""

    def set_errors(self, items):
        return model_checks.set_errors(self, items)

    def set(self, items, parameter_key):
        model_checks.check_all(self, items, parameter_key)
        return model_values.commit(self, items, True, parameter_key)

    def set_local(self, name, text):
        model_checks.set_local(self, name, text)

    def set_attributes(self, items):
        model_attributes.set_attributes(self, items)

    def snapshot(self):
        return model_record.record(self, self.values, self.kept_attributes, self.rows)

    def recall(self, record):
        model_recall.recall(self, record)

    def children(self, path, next_level):
        return rpc_names.children(self, path, next_level)

    def forced_inform(self):
        return inform.forced(self)

    def restore(self, record):
        return model_restore.restore(self, record)


class Board:
    """What the getters read, and what the model persisted and reported, in order."""

    def __init__(self, **settings):
        self.up_time = 5
        self.software_version = "1.0"
        self.url = "http://192.0.2.7:7547/"
        self.address = ""
        self.nat = False
        self.flash = None
        self.flash_error = None
        self.steps = []
        self.lines = []
        self.settings = load(settings)
        self.model = self.boot()

    def boot(self):
        """Return a new model on this board, nothing restored yet."""
        getters = {
            "software_version": lambda: self.software_version,
            "up_time": lambda: self.up_time,
            "connection_request_url": lambda: self.url,
            "udp_connection_request_address": lambda: self.address,
            "nat_detected": lambda: self.nat,
        }
        self.model = Model(DEVICE2, self.settings, getters, self.log)
        self.model.persist = self.persist
        self.model.on_change = self.on_change
        return self.model

    def log(self, level, area, text):
        self.lines.append((level, area, text))

    def persist(self, record):
        if self.flash_error:
            raise self.flash_error
        # What a reader of the model sees while the record is being written.
        self.steps.append(("persist", self.model.get(MS + "ParameterKey")[0]))
        self.flash = record

    def on_change(self, name, by_acs):
        self.steps.append((name, by_acs))
