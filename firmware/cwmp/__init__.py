"""TR-069 Connection Request agent for MicroPython: see docs/architecture.md for the rooms of this
package.
"""

VERSION = "0.1.0"
