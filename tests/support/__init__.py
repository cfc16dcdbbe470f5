"""Test doubles and helpers of several rooms: clock, secrets, queue, stores, issuer, waiting, profiles.

A double of one room stays in that room until a second room needs it.
"""
