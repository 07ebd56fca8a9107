# In place of main.py on an ESP32: MODULE lines, what each module adds to the heap when it comes
# after those before it.
import gc

for name in "asyncio binascii errno hashlib json machine network os socket struct time".split():
    __import__(name)

gc.collect()
last = gc.mem_alloc()
for name in MODULES:
    __import__(name)
    gc.collect()
    gc.collect()
    now = gc.mem_alloc()
    print("MODULE", name, now - last)
    last = now
print("MODULES done")
