"""What an ACS sees of the application. The form: docs/data-model.md."""

import app

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


def set_interval(seconds):
    app.interval = seconds


GET = {
    "temperature": lambda: app.temperature,
    "interval": lambda: app.interval,
    "outputs": lambda: len(app.outputs),
    "output_name": lambda number: app.NAMES[number - 1],
    "output": lambda number: app.outputs[number - 1],
}
SET = {
    "interval": set_interval,
    "output": app.switch,
}
