# The firmware frozen into MicroPython, for those who build it themselves. In its ports/esp32:
#   make BOARD=ESP32_GENERIC FROZEN_MANIFEST=/path/to/firmware/manifest.py
# Frozen code stays in flash while it runs. Files of the same name in the file system win over it.
metadata(description="TR-069 Connection Request agent", version="0.1.0")
include("$(PORT_DIR)/boards/manifest.py")
package("cwmp", opt=2)
module("main.py", opt=2)
