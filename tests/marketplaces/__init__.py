"""Tests of the marketplaces: the shared core, each connector, and the sandboxes."""
