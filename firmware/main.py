# Runs at power-up. All there is to read lies in lib/cwmp; Ctrl-C gives the MicroPython prompt.
import gc
import os
import sys

# Collecting early keeps the long-lived objects together at the bottom of the heap, and its top in
# one piece. A wake allocates less than this, so that none of it waits for a collection; where
# words are twice as long, objects are twice as large.
gc.threshold(32768 if sys.maxsize > 1 << 31 else 16384)


# A downloaded application lies in the folder a or b, and has a few boots to prove itself before
# the one before it runs again: docs/transfers.md.
def choose():
    try:
        with open("slot") as file:
            folder, other, state = file.read().split()
    except (OSError, ValueError):
        return False
    trial = state.isdigit()
    if trial:
        left = int(state) - 1
        if left < 0:
            folder, other, left, trial = other, folder, "x", False
        with open("slot.new", "w") as file:
            file.write("{} {} {}".format(folder, other, left))
        os.rename("slot.new", "slot")
    if folder != "lib":
        sys.path.insert(0, folder)
    return trial


on_trial = choose()
if on_trial:
    import machine

    if hasattr(machine, "WDT"):
        machine.WDT(timeout=120000)
try:
    from cwmp.boot import main
except Exception:
    if on_trial:
        machine.reset()
    raise
del choose

main()
