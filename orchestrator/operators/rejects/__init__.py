"""Rejects beyond the list of them: their counts, and reading them again."""
