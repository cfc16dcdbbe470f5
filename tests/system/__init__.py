"""Tests of the whole: simulation, killed processes, load, hostile input."""
