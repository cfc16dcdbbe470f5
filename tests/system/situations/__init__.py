"""The nine situations of a night: each is caused, found, and ended by the remedy that the product names."""
