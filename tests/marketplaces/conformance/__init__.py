"""Conformance: every connector keeps every rule and survives every fault switch of its sandbox.

A rule for one marketplace alone belongs in that marketplace's folder.
"""
