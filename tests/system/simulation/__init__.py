"""Whole histories of the system in one process, on a virtual clock, with everything going wrong."""
