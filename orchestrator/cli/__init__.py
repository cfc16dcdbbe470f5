"""The operators' command line: `python -m orchestrator`."""
