"""Modules that are loaded for one purpose and dropped afterwards, where memory is scarce.

A module that nobody refers to any more is collected, code and all; only its names stay.
"""

import gc
import sys

# Bytes of heap, what it may grow by included. Below it the agent and everything that a session
# needs do not fit beside Wi-Fi and TLS: an ESP32 without PSRAM.
_PLENTY = 200000
# What one method of the ACS needs, or a boot, and the next one does not.
PARTS = """
core.rpc_values core.rpc_names core.rpc_attributes core.rpc_attributes_set core.rpc_device
core.rpc_objects core.rpc_transfers core.rpc_fields core.inform_parameters
core.model_checks core.model_values core.model_attributes core.model_record core.model_recall
core.model_restore core.cwmp_parse core.date_time core.fault_text core.notification core.events
runtime.values runtime.provisioning runtime.reset
"""
_scarce = None


def scarce():
    """Whether this board should drop what it does not need at the moment."""
    global _scarce
    if _scarce is None:  # asking walks through the heap
        _scarce = gc.mem_alloc() + gc.mem_free() < _PLENTY
    return _scarce


def drop(full):
    """Forget the module of this full name, if it is loaded. Nothing of it may be in use."""
    module = _forget(full)
    if module is not None:  # a session that ended meanwhile may have dropped it
        _empty(module)


def _forget(full):
    module = sys.modules.get(full)
    if module is not None:
        # A dict that a key is taken out of keeps the value until the place is used again.
        sys.modules[full] = None
        del sys.modules[full]
        above, _, name = full.rpartition(".")
        package = sys.modules[above]
        setattr(package, name, None)
        delattr(package, name)
    return module


def _empty(module):
    # The collector takes any word for a reference that looks like one, and many forgotten ones lie
    # on the stack and in the frames of tasks: what they lead to may be no more than shells.
    own = module.__name__
    for value in module.__dict__.values():
        if isinstance(value, type) and getattr(value, "__module__", "") == own:
            for name in tuple(value.__dict__):
                setattr(value, name, None)  # not deleted: see `_forget`
    module.__dict__.clear()


def borrow(name):
    """Return the module `room.name` of this package for one use. Where memory is scarce it lives
    only as long as the caller holds it.
    """
    full = "cwmp." + name
    module = __import__(full, None, None, ("",))
    if scarce():
        _forget(full)
    return module


def drop_all(names):
    """Forget those modules of this package, a text of `room.name`s, that are loaded; collect."""
    for name in names.split():
        drop("cwmp." + name)
    gc.collect()
