"""How a Management comes to its data model. Borrowed for that.

The parts of the model that only some boards and sites have are modules with `texts(agent)`, as
those of `core/device2.py`; a part whose values are not in `values` has `value(agent, key)`, too,
for those that it declares as `@part.key`. The site's application comes last.
"""

from ..core.data_model import DataModel
from ..core.device2 import DEVICE2
from ..core.model_recall import recall
from ..core.notification import nothing
from .management import APPLICATION
from .slices import PARTS, borrow, drop_all


def model(management):
    """Return a model for `management`, with its defaults."""
    agent = management.agent
    getters, setters = {}, {}
    objects = _objects(agent, getters, setters)
    known = agent.kept is not None
    made = DataModel(
        objects, agent.site, getters, agent.log, agent.told, known, setters, management.value
    )
    made.volatile = agent.volatile
    made.persist = management.persist
    made.on_change = management.changed
    return made


def begin(management):
    """Give `management` what flash and the agent know: values, and what the ACS is owed."""
    agent = management.agent
    management.owed = nothing()
    if agent.kept is not None:
        recall(management.model, agent.store.load("params"))
        borrow("runtime.between").know_acs(management)
        management.events().restore(agent.kept)
    else:
        borrow("runtime.first").begin(management)
        if agent.saving:
            drop_all(PARTS)


def _objects(agent, getters, setters):
    # All texts of the model; what the application gets and sets goes into both dicts.
    objects = DEVICE2
    site = agent.site
    if site["device"]["root"] != "Device":
        objects = ()
        parts = "runtime.part_gateway"  # what it has of the others stands elsewhere in that model
    else:
        parts = "runtime.part_device"
        if site["time"]["ntp_server"]:
            parts += " runtime.part_time"
            setters.update(borrow("runtime.part_time").setters())
        if agent.port.network == "wlan":
            parts += " runtime.part_wifi"
        parts += " runtime.part_diagnostics"
    parts += " runtime.part_binding"
    for name in parts.split():
        objects += borrow(name).texts(agent)
    if site["app"]["folder"]:
        objects += _of_application(agent, objects, getters, setters)
    return objects


def _of_application(agent, objects, getters, setters):
    # A declaration that cannot work must not take the device away from its ACS.
    try:
        module = __import__(APPLICATION + ".parameters", None, None, ("OBJECTS",))
        get, put = module.GET.copy(), module.SET.copy()
        if agent.kept is None:  # once a boot
            for text in module.OBJECTS:
                if not text.startswith("Device."):
                    raise ValueError("not below Device.: " + text[: text.find("\n")])
            from ..core.model_restore import check  # noqa: PLC0415 - once a boot

            made = DataModel((), agent.site, get, None, None, True)
            made.setters = put
            made.objects = tuple(module.OBJECTS)
            check(made)
        for name in get:
            for text in objects:
                if "@{}\n".format(name) in text:
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
