"""The connector for eBay."""
