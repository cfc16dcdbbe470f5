"""The numbers to reach, each measured against its floor in the same run: `python -m bench`."""

import os

# Processes are started while grpc's threads run; its fork handlers can abort a child before it starts.
# It reads this when it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
