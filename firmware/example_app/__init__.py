"""An example of an application: a temperature sensor, and outputs that an ACS can switch.

Copy this folder, name it in site.toml ([app] folder = "my_app") and run flash.py. This module stays
in memory: keep it small. What an ACS can see of it is in parameters.py, which comes and goes with
the sessions.
"""

import asyncio

NAMES = ("Door", "Lamp")
STEP = 5  # tenths of a degree that are news

outputs = [False] * len(NAMES)  # what the pins have; on a board: [Pin(4, Pin.OUT), Pin(5, Pin.OUT)]
interval = 10  # s between two measurements
temperature = 0  # tenths of a degree Celsius


def switch(number, on):
    """Set an output; numbers count from 1, as an ACS counts."""
    outputs[number - 1] = on  # on a board: outputs[number - 1].value(on)


def measure():
    """Return tenths of a degree. On a board: ask the sensor; here it is a file beside main.py."""
    with open("temperature") as file:
        return int(file.read())


async def start(agent):
    """The application's own task. `agent.changed(name)` lets the ACS hear of a new value, as
    actively as it has asked for; `agent.log(level, area, text)` writes a line.
    """
    global temperature
    while True:
        try:
            now = measure()
            if abs(now - temperature) >= STEP:
                temperature = now
                agent.changed("Device.X_020000_Example.Temperature")
        except (OSError, ValueError) as error:
            agent.log("W", "app", "no temperature: {}".format(error))
        await asyncio.sleep(interval)
