"""What the agent takes in the heap: its code, then all that it makes before it goes idle. Prints
MEMORY lines.
"""

import gc

gc.threshold(16384)
gc.collect()
bare = gc.mem_alloc()
import cwmp.runtime.boot as boot  # noqa: E402
from cwmp.runtime.agent import Agent  # noqa: E402
from cwmp.runtime.log import Clock, Log  # noqa: E402

gc.collect()
code = gc.mem_alloc()
clock = Clock()
port = boot.BoardPort()
agent = Agent(port, boot._site(port), clock, Log(clock, "E"))
agent.open()
agent.management().prepare()
gc.collect()
print("MEMORY code", code - bare)
print("MEMORY agent", gc.mem_alloc() - code)
