"""What the agent takes in the heap: its code, then all that it makes before it goes idle. Prints
MEMORY lines.
"""

import gc

gc.threshold(16384)
gc.collect()
bare = gc.mem_alloc()
from cwmp.runtime import boot, start  # noqa: E402
from cwmp.runtime.agent import Agent  # noqa: E402
from cwmp.runtime.log import Clock, Log  # noqa: E402

gc.collect()
code = gc.mem_alloc()
clock = Clock()
port = boot.BoardPort()
agent = Agent(port, start.site(port, Log(clock, "E")), clock, Log(clock, "E"))
start.remember(agent)
agent.udp = start.open_port(agent)
agent.management().prepare()
gc.collect()
print("MEMORY code", code - bare)
print("MEMORY agent", gc.mem_alloc() - code)
