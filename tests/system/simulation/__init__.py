"""Simulation: whole histories in one process on a virtual clock, with every fault that a seed chooses."""
