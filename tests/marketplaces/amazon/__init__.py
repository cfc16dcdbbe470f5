"""Tests of the connector for Amazon."""
