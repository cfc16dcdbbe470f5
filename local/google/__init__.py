"""Local stand-ins for Google Cloud services."""
