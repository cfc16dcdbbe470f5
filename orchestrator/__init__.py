"""Runs, tasks, sync, ports, adapters and marketplaces: all that decides."""
