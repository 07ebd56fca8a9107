"""The parts of the data model that only some boards and sites have, the site's application last.

A part is a module with `bind(agent)`, which gives texts as those of `core/device2.py`, getters and
setters by the names in them. A slice: loaded and dropped with the data model. Two parts are
borrowed for their texts, as their getters do not hold them.
"""

from ..core.data_model import DataModel
from ..core.device2 import DEVICE2
from .management import APPLICATION, later
from .slices import borrow


def add(agent, getters, setters):
    """Return all texts of the data model, and put their getters and setters into both dicts."""
    objects = DEVICE2
    if agent.site["device"]["root"] != "Device":
        objects = ()
        # What it has of the others stands elsewhere in that model.
        wanted = ("runtime.part_gateway",)
    else:
        wanted = ["runtime.part_device"]
        if agent.site["time"]["ntp_server"]:
            wanted.append("runtime.part_time")
        if agent.port.network == "wlan":
            wanted.append("runtime.part_wifi")
    for name in wanted:
        module = __import__("cwmp." + name, None, None, ("bind",))
        texts, get, put = module.bind(agent)
        objects += texts
        getters.update(get)
        setters.update(put)
    if agent.site["device"]["root"] == "Device":
        objects += borrow("runtime.part_diagnostics").objects(agent)
    objects += (borrow("runtime.part_binding").text(agent),)
    for which in range(8):
        getters["b{}".format(which)] = later("runtime.binding_values", agent, which)
    if agent.site["app"]["folder"]:
        objects += _of_application(agent, getters, setters)
    return objects


def _of_application(agent, getters, setters):
    # A declaration that cannot work must not take the device away from its ACS.
    try:
        module = __import__(APPLICATION + ".parameters", None, None, ("OBJECTS",))
        get, put = module.GET.copy(), module.SET.copy()
        if agent.kept is None:  # once a boot
            for text in module.OBJECTS:
                if not text.startswith("Device."):
                    raise ValueError("not below Device.: " + text[: text.find("\n")])
            from ..core.model_restore import check  # noqa: PLC0415 - once a boot

            model = DataModel((), agent.site, get, None, None, True)
            model.setters = put
            model.objects = tuple(module.OBJECTS)
            check(model)
        for name in get:
            if name in getters:
                raise ValueError("a getter of the firmware has the name " + name)
    except MemoryError:
        raise  # there may be more of it another time
    except Exception as error:  # noqa: BLE001
        agent.log("E", "app", 'left-out error="{}"'.format(repr(error)))
        agent.site["app"]["folder"] = ""  # until the next boot
        return ()
    getters.update(get)
    setters.update(put)
    return tuple(module.OBJECTS)
