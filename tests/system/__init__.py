"""Tests of the whole system: the legacy of one release to the next."""
