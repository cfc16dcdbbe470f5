"""Tests of the connector for eBay."""
