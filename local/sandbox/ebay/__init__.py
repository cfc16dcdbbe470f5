"""The sandbox of eBay."""
