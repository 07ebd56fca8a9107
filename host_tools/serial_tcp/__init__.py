"""`socket://` for pyserial that knows how many bytes wait.

pyserial's own handler says 0 or 1, so that whoever reads "all there is" gets a byte at a time:
pytest-embedded, which naps between two reads, 20 bytes a second. `register()` puts this package
before pyserial's, for every `serial.serial_for_url` of this process.
"""

import serial


def register() -> None:
    """Use the handlers of this package from now on; calling it again is fine."""
    if __name__ not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.insert(0, __name__)
