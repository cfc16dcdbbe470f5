"""Marketplaces: the parts that all connectors share, and one folder for each connector."""
