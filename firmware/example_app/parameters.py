"""What an ACS sees of the application. The form: docs/data-model.md."""

from . import hardware

OBJECTS = (
    """Device.X_020000_Example.
Temperature - i @temperature
Interval WK u1:3600 @interval
Place W s64 =
OutputNumberOfEntries - u #Device.X_020000_Example.Output.
""",
    """Device.X_020000_Example.Output.{i}. @outputs
Name - s32 @output_name
On WK b @output
""",
)
GET = {
    "temperature": lambda: hardware.temperature,
    "interval": lambda: hardware.interval,
    "outputs": lambda: len(hardware.outputs),
    "output_name": lambda number: hardware.NAMES[number - 1],
    "output": lambda number: hardware.outputs[number - 1],
}
SET = {"interval": hardware.set_interval, "output": hardware.switch}
