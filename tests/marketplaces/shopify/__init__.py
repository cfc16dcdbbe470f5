"""Tests of the connector for Shopify."""
