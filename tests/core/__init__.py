"""The core on a virtual clock: runs, tasks, claims, slices, windows, digests, with an invented marketplace.

A test here needs no HTTP, no process and no marketplace; one history at a time, told by name.
"""
