"""Chaos: real processes are killed and stopped for minutes; nothing may be lost, doubled or stuck."""
