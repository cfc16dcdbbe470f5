"""Rows about size: of the fleet of connections, and of single records."""
