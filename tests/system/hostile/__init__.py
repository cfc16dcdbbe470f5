"""Hostile input: a clear error, never a crash loop, nothing lost, memory capped."""
