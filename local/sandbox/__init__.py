"""Sandbox marketplaces: servers that speak the real marketplaces' protocols; see README.md."""
