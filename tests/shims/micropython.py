"""What CPython lacks of MicroPython's `micropython` module, so that `cwmp.wire` and `cwmp.core`
run on it unchanged.
"""


def const(value):
    return value


def native(function):
    return function


def viper(function):
    return function
