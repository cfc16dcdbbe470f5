"""Tests of the builders that make the records of all marketplaces."""
