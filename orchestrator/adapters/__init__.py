"""Implementations of the ports: one module a technology, imported only by the wiring."""
