"""Queries of the people who read records."""
