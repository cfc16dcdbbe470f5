"""Runs, tasks, sync, ports, adapters and marketplaces: all that decides."""

#: pyproject.toml has the same one.
VERSION = "0.1.0"
