"""An example of an application: a temperature sensor, and outputs that an ACS can switch.

Copy this folder, name it in site.toml ([app] folder = "my_app") and run flash.py. This module and
hardware.py stay in memory: keep them small. What an ACS sees is in parameters.py, which comes and
goes with the sessions.
"""

import asyncio

from . import hardware

STEP = 5  # tenths of a degree that are news


async def start(agent):
    """The application's own task. `agent.changed(name)` lets the ACS hear of a new value, as
    actively as it has asked for; `agent.log(level, area, text)` writes a line.
    """
    while True:
        try:
            now = hardware.measure()
            if abs(now - hardware.temperature) >= STEP:
                hardware.temperature = now
                agent.changed("Device.X_020000_Example.Temperature")
        except (OSError, ValueError) as error:
            agent.log("W", "app", "no temperature: {}".format(error))
        await asyncio.sleep(hardware.interval)
