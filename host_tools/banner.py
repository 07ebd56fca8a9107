"""The first line of the firmware on the serial console: who the device is."""

import re

BANNER = r"^[DIWE] \d+ boot: start\b(.*)$"
# A prompt, or a traceback, before the banner: waiting longer does not help.
NO_START = r"^(?:>>> |board: crash)"


def fields(text: str) -> dict[str, str]:
    """Read the `key=value` words of a log line; values with spaces stand in double quotes."""
    return {
        key: quoted or plain
        for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S*))', text)
    }
