# Runs at power-up. All there is to read lies in lib/cwmp; Ctrl-C gives the MicroPython prompt.
import gc

# Collecting early keeps the long-lived objects together at the bottom of the heap, and its top in
# one piece. A wake allocates less than this, so that none of it waits for a collection.
gc.threshold(16384)

from cwmp.runtime.boot import main  # noqa: E402

main()
