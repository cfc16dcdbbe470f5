"""`python -m orchestrator`, the same as `marketplace-sync`."""

import sys

from orchestrator.cli.app import entry

if __name__ == "__main__":
    sys.exit(entry())
