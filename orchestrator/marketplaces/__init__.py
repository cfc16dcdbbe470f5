"""Marketplaces: what all connectors share, and one folder for each connector."""
