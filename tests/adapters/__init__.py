"""Adapters: one suite for each port, run on every adapter of the port.

A test of one store, queue or secret store alone belongs here too; a test of a port's user does not.
"""
