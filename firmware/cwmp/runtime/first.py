"""What the first Management after a boot does, and none of those that follow it."""

from binascii import hexlify

from ..core.model_restore import restore
from .management import BINDING
from .slices import borrow


def begin(management):
    """Take back what flash knows, and queue the events of a boot."""
    agent = management.agent
    updated = restore(management.model, agent.store.load("params"))
    borrow("runtime.between").know_acs(management)
    device = agent.store.load("device")
    path = device.get("path") if isinstance(device, dict) else None
    agent.path = path if path and isinstance(path, str) else ""
    if not agent.path:
        agent.path = hexlify(agent.port.random_bytes(8)).decode()
        agent.save("device", {"path": agent.path})
    # A binding that is found again after a boot is no news (STUN-62).
    told = agent.counters.load("told")
    for name, text in zip(BINDING, told if isinstance(told, list) else ()):
        if isinstance(text, str):
            agent.told[name] = text
    events = management.events()
    events.restore(agent.store.load("events"))
    events.after_boot(agent.acs_url or None)
    for name in updated:
        management.model.changed(name)
    management.save()
