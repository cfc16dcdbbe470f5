"""Chaos on real processes: everything is killed, stopped and doubled, and nothing may come of it."""
