"""A thousand parameters in one line: the module `parameters` of an application."""

from array import array

limits = array("H", bytes(2000))


def set_limit(number, value):
    limits[number - 1] = value


OBJECTS = ("Device.X_020000_Sensor.{i}. @sensors\nLimit W u0:65535 @limit\n",)
GET = {"sensors": lambda: 1000, "limit": lambda number: limits[number - 1]}
SET = {"limit": set_limit}
