"""Test doubles and helpers that several rooms use."""
