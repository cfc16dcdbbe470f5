"""The sandbox of Amazon."""
