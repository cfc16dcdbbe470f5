"""Tests of the whole system: what one release leaves to the next."""
