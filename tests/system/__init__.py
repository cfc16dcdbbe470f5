"""Tests of the whole: simulation, killed processes, load, hostile input, and the last release's data."""
