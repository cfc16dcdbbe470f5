"""Tests of the connector for WooCommerce."""
