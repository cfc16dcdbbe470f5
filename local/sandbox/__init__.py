"""Sandbox marketplaces: servers that behave like the real ones at the protocol; see README.md."""
