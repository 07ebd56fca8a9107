"""What the application has: two outputs and a sensor. Without pins, so that it runs anywhere."""

NAMES = ("Door", "Lamp")

outputs = [False] * len(NAMES)  # on a board: [Pin(4, Pin.OUT), Pin(5, Pin.OUT)]
interval = 10  # s between two measurements
temperature = 0  # tenths of a degree Celsius, as last told


def switch(number, on):
    """Set an output; numbers count from 1, as an ACS counts."""
    outputs[number - 1] = on  # on a board: outputs[number - 1].value(on)


def set_interval(seconds):
    global interval
    interval = seconds


def measure():
    """Return tenths of a degree. On a board: ask the sensor; here it is a file beside main.py."""
    with open("temperature") as file:
        return int(file.read())
