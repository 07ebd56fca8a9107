# Runs at power-up. All there is to read lies in lib/cwmp; Ctrl-C gives the MicroPython prompt.
import gc
import sys

# Collecting early keeps the long-lived objects together at the bottom of the heap, and its top in
# one piece. A wake allocates less than this, so that none of it waits for a collection; where
# words are twice as long, objects are twice as large.
gc.threshold(32768 if sys.maxsize > 1 << 31 else 16384)

from cwmp.runtime.boot import main  # noqa: E402

main()
